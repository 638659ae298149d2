"""Exit status of a command, and the line that tells its user's mistake: also one that no part of it foresaw."""

import os
import sys
from collections.abc import Callable

from jaxdl.errors import UserError
from jaxdl.run import flags, terminal
from jaxdl.train.interrupt import Interrupted, Interruptible
from jaxdl.wording import brief, printable


def line_of(error: Exception, options: type | None = None) -> str | None:
    """The line for standard error, None where the error is not the user's.

    It is, besides a UserError, where the system refuses a file or a folder, or JAX the platform that the environment
    names. options: the flags that errors name, where the library names arguments.
    """
    if isinstance(error, UserError):
        return f"error: {flags.in_flags(str(error), options) if options else error}"
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes) and error.strerror:
        return f"error: cannot use {printable(os.fsdecode(error.filename))[-200:]} ({error.strerror})."
    platform = os.environ.get("JAX_PLATFORMS")
    if platform:
        import jax  # as the command has done, which is about to tell what came of it

        try:
            jax.devices()
        except Exception as refused:  # AssertionError, RuntimeError: as the platform likes
            said = f" ({brief(refused)})" if str(refused) else ""
            return (
                f"error: JAX_PLATFORMS is {platform!r}, which this machine, or this JAX, has not{said}. "
                "Unset it, or set it to cpu."
            )
    return None


def exit_status(body: Callable[[], None], options: type | None = None) -> int:
    """Runs a command that only reads and prints: 0, or 2 and a line for the user's mistakes, 130 after Ctrl-C.

    options: the flags that errors name, where the library names arguments.
    2 also where what it printed is lost, but not where its reader, ``head`` say, had enough.
    """
    with terminal.steady() as output:
        try:
            with Interruptible():
                body()
                sys.stdout.flush()
        except Interrupted as stopped:
            print("\nStopped.", file=sys.stderr)
            return stopped.status
        except Exception as error:
            line = line_of(error, options)
            if line is None:
                raise
            print(line, file=sys.stderr)
            return 2
        lost = output and output.broken
        if lost and not isinstance(lost, BrokenPipeError):
            print(f"error: standard output cannot be written ({lost.strerror}).", file=sys.stderr)
            return 2
    return 0
