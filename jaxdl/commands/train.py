"""Train a network, or continue a run: ``jaxdl train``, ``python -m experiments.cifar``."""

import sys
from typing import TYPE_CHECKING

from jaxdl.train.interrupt import Interruptible

if TYPE_CHECKING:
    from jaxdl.run.task import Task

COMMAND = "jaxdl train"


def main(argv: list[str] | None = None, *, command: str = COMMAND, task: "Task | None" = None) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``.

    task: image classification if None.
    """
    from jaxdl.run import compilation_cache  # with which comes jax
    from jaxdl.run.classification import CLASSIFICATION
    from jaxdl.run.config import parse
    from jaxdl.run.process import training_process
    from jaxdl.run.recipes import RECIPES
    from jaxdl.run.story import run

    def start(interrupt: Interruptible) -> int:
        config, given = parse(sys.argv[1:] if argv is None else argv, RECIPES, command)
        compilation_cache.use()
        return run(config, given, interrupt, command=command, task=task or CLASSIFICATION)

    return training_process(start)
