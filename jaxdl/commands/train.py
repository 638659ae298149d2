"""Train a network, or continue a run: ``jaxdl train``, ``python -m experiments.cifar``."""

import sys

from jaxdl.run import compilation_cache
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import parse
from jaxdl.run.process import training_process
from jaxdl.run.recipes import RECIPES
from jaxdl.run.story import run
from jaxdl.run.task import Task
from jaxdl.train.interrupt import Interruptible

COMMAND = "jaxdl train"


def main(argv: list[str] | None = None, *, command: str = COMMAND, task: Task = CLASSIFICATION) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``."""

    def start(interrupt: Interruptible) -> int:
        config, given = parse(sys.argv[1:] if argv is None else argv, RECIPES, command)
        compilation_cache.use()
        return run(config, given, interrupt, command=command, task=task)

    return training_process(start)
