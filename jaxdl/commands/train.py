"""Train a classifier, or continue its run: ``jaxdl train``, ``python -m experiments.cifar``."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from jaxdl.run import asked, recorded
from jaxdl.run.config import Config
from jaxdl.run.process import training_process
from jaxdl.run.recipes import RECIPES
from jaxdl.run.tasks import TASKS, USUAL
from jaxdl.train.interrupt import Interruptible

if TYPE_CHECKING:
    from jaxdl.run.task import Task

COMMAND = "jaxdl train"


def main(
    argv: list[str] | None = None,
    *,
    command: str = COMMAND,
    task: "Task | str" = USUAL,
    recipes: Mapping[str, Config] = RECIPES,
    about: str = asked.ABOUT,
) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``.

    task: a record of functions, or the name of one in ``TASKS``. recipes, about: see ``asked.parse``.
    """

    def start(given: tuple[Config, frozenset[str]], interrupt: Interruptible) -> int:
        from jaxdl.run import compilation_cache  # with which comes JAX
        from jaxdl.run.story import run

        compilation_cache.use()
        return run(*given, interrupt, command=command, task=TASKS[task] if isinstance(task, str) else task)

    def read() -> tuple[Config, frozenset[str]]:
        config, given = asked.parse(sys.argv[1:] if argv is None else argv, recipes, command, about=about)
        recorded.check_files(config)
        return config, given

    return training_process(read, start)
