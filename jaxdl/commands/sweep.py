"""Many runs of ``jaxdl train`` in one program: ``jaxdl sweep --lr 0.01,0.03,0.1 --seed 0:8``."""

import sys
from typing import TYPE_CHECKING

from jaxdl.run import recorded
from jaxdl.run.process import training_process
from jaxdl.run.recipes import RECIPES
from jaxdl.run.sweep.asked import Asked, parse
from jaxdl.train.interrupt import Interruptible

if TYPE_CHECKING:
    from jaxdl.run.task import Task

COMMAND = "jaxdl sweep"


def main(argv: list[str] | None = None, *, task: "Task | None" = None) -> int:
    """The command line; returns the exit status. task: image classification if None."""

    def start(asked: Asked, interrupt: Interruptible) -> int:
        from jaxdl.run import compilation_cache  # with which comes JAX
        from jaxdl.run.classification import CLASSIFICATION
        from jaxdl.run.sweep.story import run

        compilation_cache.use()
        return run(asked, interrupt, command=COMMAND, task=task or CLASSIFICATION)

    def read() -> Asked:
        asked = parse(sys.argv[1:] if argv is None else argv, RECIPES, COMMAND)
        recorded.check_files(asked.config)
        return asked

    return training_process(read, start)
