"""Train a network, or continue a run: ``jaxdl train``, ``python -m experiments.cifar``."""

import sys
from typing import TYPE_CHECKING

from jaxdl.run import recorded
from jaxdl.run.config import Config, parse
from jaxdl.run.process import training_process
from jaxdl.run.recipes import RECIPES
from jaxdl.train.interrupt import Interruptible

if TYPE_CHECKING:
    from jaxdl.run.task import Task

COMMAND = "jaxdl train"


def main(argv: list[str] | None = None, *, command: str = COMMAND, task: "Task | None" = None) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``.

    task: image classification if None.
    """

    def start(asked: tuple[Config, frozenset[str]], interrupt: Interruptible) -> int:
        from jaxdl.run import compilation_cache  # with which comes JAX
        from jaxdl.run.classification import CLASSIFICATION
        from jaxdl.run.story import run

        compilation_cache.use()
        return run(*asked, interrupt, command=command, task=task or CLASSIFICATION)

    def read() -> tuple[Config, frozenset[str]]:
        config, given = parse(sys.argv[1:] if argv is None else argv, RECIPES, command)
        recorded.check_files(config)
        return config, given

    return training_process(read, start)
