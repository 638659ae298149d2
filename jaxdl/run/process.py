"""A training as a process: its memory, its output, its signals, and the status that it ends with."""

import sys
from collections.abc import Callable
from typing import TypeVar

from jaxdl.cpu import memory
from jaxdl.run import terminal
from jaxdl.run.config import Config
from jaxdl.run.status import line_of
from jaxdl.train.interrupt import Interrupted, Interruptible

Asked = TypeVar("Asked")


def training_process(read: Callable[[], Asked], start: Callable[[Asked, Interruptible], int]) -> int:
    """The exit status of ``start`` of what was read: 2 for a user's mistake, of which a line is printed.

    read: what is asked for, from the flags; it is called before JAX is imported. With several processes, one that fails
    tells the others, and one that is lost is told.
    """
    memory.keep_freed()
    with terminal.steady(terminal.say_lost):
        try:
            asked = read()
        except Exception as error:
            line = line_of(error, Config)
            if line is None:
                raise
            print(line, file=sys.stderr)
            return 2
        terminal.say_loading()
        from jaxdl import cluster

        try:
            with Interruptible() as interrupt, cluster.loss_of_others_told():
                status = start(asked, interrupt)
                cluster.part()
                return status
        except Exception as error:
            line = line_of(error, Config)
            if line is None:
                raise
            print(line, file=sys.stderr)
            cluster.leave_at_once(2)
            return 2
        except Interrupted as stopped:
            print(f"\nStopped by {stopped}; training after the last checkpoint, if any, is not saved.", file=sys.stderr)
            return stopped.status
