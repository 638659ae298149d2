"""Standard output and standard error that outlive their readers: closed, full, or without an encoding for a name."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Steady:
    """A text stream that, once it cannot be written to, tells ``on_loss`` why and drops what it is given from there on.

    broken: the OSError with which that began, or None.
    """

    def __init__(self, stream: TextIO, on_loss: Callable[[OSError], None]):
        self._stream, self._on_loss = stream, on_loss
        self.broken: OSError | None = None

    def write(self, text: str) -> int:
        """As of any text stream."""
        with self._given_up():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As of any text stream."""
        with self._given_up():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            first, self.broken = self.broken is None, self.broken or error
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
                self._stream.flush()  # what waits to be written; Python would complain of it while it ends
            if first:
                self._on_loss(error)


def say_lost(error: OSError) -> None:
    """A line on standard error, where a run goes on whose standard output is lost."""
    print(f"warning: standard output is lost ({error.strerror}); the run goes on without it.", file=sys.stderr)


@contextmanager
def steady(on_loss: Callable[[OSError], None] = lambda error: None) -> Iterator[Steady | None]:
    """A context in which the process's own output never ends what it is doing; gives standard output.

    on_loss: is told, once, why standard output cannot be written to any more. What a terminal has no encoding for is
    escaped. Nothing is changed, and None given, where a caller has put another stream in the place of standard output.
    """
    _open_missing()
    before = sys.stdout, sys.stderr
    ours = before == (sys.__stdout__, sys.__stderr__)
    if ours:
        for stream in before:
            stream.reconfigure(errors="backslashreplace")
        sys.stdout, sys.stderr = Steady(before[0], on_loss), Steady(before[1], lambda error: None)
    try:
        yield sys.stdout if ours else None
    finally:
        if ours:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before


def _open_missing() -> None:
    """Standard streams that the process was started without lead nowhere, rather than to the next file opened."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "r" if name == "stdin" else "w")  # noqa: SIM115, as long as the process
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def say_loading() -> None:
    """On a terminal, that JAX is being loaded, at once; the next line takes its place."""
    if sys.stdout.isatty():
        print("loading JAX ...", end="\r", flush=True)
