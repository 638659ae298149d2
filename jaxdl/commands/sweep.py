"""Many runs of ``jaxdl train`` in one program: ``jaxdl sweep --lr 0.01,0.03,0.1 --seed 0:8``."""

import sys

from jaxdl.run import compilation_cache
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.process import training_process
from jaxdl.run.recipes import RECIPES
from jaxdl.run.sweep.asked import parse
from jaxdl.run.sweep.story import run
from jaxdl.run.task import Task
from jaxdl.train.interrupt import Interruptible

COMMAND = "jaxdl sweep"


def main(argv: list[str] | None = None, *, task: Task = CLASSIFICATION) -> int:
    """The command line; returns the exit status."""

    def start(interrupt: Interruptible) -> int:
        asked = parse(sys.argv[1:] if argv is None else argv, RECIPES, COMMAND)
        compilation_cache.use()
        return run(asked, interrupt, command=COMMAND, task=task)

    return training_process(start)
