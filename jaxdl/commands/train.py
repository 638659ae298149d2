"""Train a network, or continue a run: ``jaxdl train``, ``python -m experiments.cifar``."""

import sys

from jaxdl import cluster
from jaxdl.cpu import memory
from jaxdl.errors import UserError
from jaxdl.run import compilation_cache, flags, terminal
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import Config, parse
from jaxdl.run.recipes import RECIPES
from jaxdl.run.story import run
from jaxdl.run.task import Task
from jaxdl.train.interrupt import Interrupted, Interruptible

COMMAND = "jaxdl train"


def main(argv: list[str] | None = None, *, command: str = COMMAND, task: Task = CLASSIFICATION) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``."""
    memory.keep_freed()
    with terminal.steady(terminal.say_lost):
        try:
            with Interruptible() as interrupt:
                config, given = parse(sys.argv[1:] if argv is None else argv, RECIPES, command)
                compilation_cache.use()
                with cluster.loss_of_others_told():
                    status = run(config, given, interrupt, command=command, task=task)
                cluster.part()
                return status
        except UserError as error:
            print(f"error: {flags.in_flags(str(error), Config)}", file=sys.stderr)
            cluster.leave_at_once(2)
            return 2
        except Interrupted as stopped:
            print(f"\nStopped by {stopped}; training after the last checkpoint, if any, is not saved.", file=sys.stderr)
            return stopped.status
