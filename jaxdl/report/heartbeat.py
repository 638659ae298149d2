"""Prints a sign of life during long silent work: a compiler's, or a loop's whose progress bar is not shown."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

from tqdm import tqdm

LONGEST_SILENCE = 20.0  # seconds between two lines where the output is no terminal
TICK = 1.0  # seconds after which a clock on a terminal moves


class Heartbeat:
    """A line ``<doing>, <time>`` at least every LONGEST_SILENCE seconds in which nothing else was said; a context.

    A thread prints it, so that it comes while the main one waits for a compiler. stream: standard output unless given.
    on_terminal: there too, for work without a bar; else a terminal gets nothing. tick: called every second on a
    terminal, for the clock of a bar that is there.
    """

    def __init__(
        self,
        doing: str,
        *,
        stream: IO[str] | None = None,
        on_terminal: bool = False,
        tick: Callable[[], object] = lambda: None,
    ):
        self._tick = tick
        self._stream, self._on_terminal = stream, on_terminal
        self._doing, self._began, self._spoke = doing, time.monotonic(), time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    @property
    def silent(self) -> bool:
        """Whether the output is a terminal, which shows bars instead."""
        return not self._on_terminal and self._out.isatty()

    @property
    def due(self) -> bool:
        """Whether nothing was printed for so long, and no bar is shown."""
        return not self.silent and time.monotonic() - self._spoke >= LONGEST_SILENCE

    def begin(self, doing: str, *, told: bool = False) -> None:
        """Says ``doing`` from now on, and at once if ``told``."""
        self._doing, self._began = doing, time.monotonic()
        if told and not self.silent:
            self.say(doing)

    @contextlib.contextmanager
    def during(self, doing: str) -> Iterator[None]:
        """A context in which ``doing`` is reported, and after it the previous work again."""
        before, began = self._doing, self._began
        self.begin(doing)
        try:
            yield
        finally:
            self._doing, self._began = before, began

    def say(self, line: str) -> None:
        """Prints the line, indented."""
        print(f"  {line}", file=self._out, flush=True)
        self.spoke()

    def spoke(self) -> None:
        """Notes that something else was printed."""
        self._spoke = time.monotonic()

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def _out(self) -> IO[str]:
        return self._stream or sys.stdout

    def _beat(self) -> None:
        while not self._ended.wait(self._pause()):
            if self.silent:
                self._tick()
            elif self.due:
                self.say(f"{self._doing}, {tqdm.format_interval(time.monotonic() - self._began)}")

    def _pause(self) -> float:
        """Seconds until there may be something to show."""
        return TICK if self.silent else max(self._spoke + LONGEST_SILENCE - time.monotonic(), 0.01)
