"""Turns Ctrl-C and SIGTERM into a request that the training loop honours between two steps."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

COMPILER = "compiler"  # name of a thread that is in the middle of something while it lives
AGAIN = 0.05  # seconds until a signal that Python swallowed is sent again


class Interrupted(BaseException):
    """A signal asked the program to end; ``status`` is what the shell expects: 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number, self.status = number, 128 + number


class Interruptible:
    """While entered, SIGINT and SIGTERM raise Interrupted; inside ``deferred()`` the first only sets ``requested``.

    with Interruptible() as interrupt:      # raises at once
        with interrupt.deferred():          # asks; a second signal raises
            while not interrupt.requested: ...
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested: int | None = None
        self._deferring = False
        self._notice = ""

    def __enter__(self) -> "Interruptible":
        self._hook, sys.unraisablehook = sys.unraisablehook, self._swallowed
        self._before = {number: signal.signal(number, self._receive) for number in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        if sys.unraisablehook == self._swallowed:  # else one that was put before it meanwhile, which calls it
            sys.unraisablehook = self._hook
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def deferred(self, notice: str = "") -> "_Deferred":
        """A context in which the first signal waits for the loop; ``notice`` is then a line on standard error."""
        self._notice = notice
        return _Deferred(self)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not self._deferring or self.requested:
            raise Interrupted(number)
        self.requested = number
        if self._notice:
            with contextlib.suppress(OSError):
                os.write(2, f"\n{self._notice}\n".encode())  # print may be what was interrupted

    def _swallowed(self, unraisable: Any) -> None:
        """Sends the signal again if its exception was ignored by Python, as in a callback of the garbage collector."""
        if isinstance(unraisable.exc_value, Interrupted):
            threading.Timer(AGAIN, os.kill, (os.getpid(), unraisable.exc_value.number)).start()
        else:
            self._hook(unraisable)


class _Deferred:
    def __init__(self, owner: Interruptible):
        self._owner = owner

    def __enter__(self) -> None:
        self._owner._deferring = True

    def __exit__(self, *_) -> None:
        self._owner._deferring = False


def stop_at_once() -> None:
    """Has Ctrl-C and SIGTERM end this process with a line: for its first seconds, in which packages are imported and
    an exception would come out anywhere, until an ``Interruptible`` is entered."""

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, b"\nStopped.\n")
        os._exit(128 + number)

    for number in Interruptible.SIGNALS:
        if signal.getsignal(number) in (
            signal.SIG_DFL,
            signal.default_int_handler,
        ):  # else it is somebody's, or ignored
            signal.signal(number, end)


def leave(status: int) -> NoReturn:
    """Exits with ``status``; after a signal, or while a program is being compiled, without the interpreter's clean-up.

    That clean-up can crash while XLA's threads are still computing, which would change the status.
    """
    if status > 128 or any(thread.name == COMPILER for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
