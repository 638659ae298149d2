"""Prefetches batches in a thread while earlier steps run."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

PATIENCE = 5.0  # seconds that leaving the context waits for the step under way


class Prefetch:
    """A context that, called with a step, returns ``put(batch_at(step))``, made ``ahead`` steps ahead by a thread.

    Steps are expected in order, from ``start``; any other step works too, but restarts the thread there. The thread
    stops before step ``stop``, and holds at most ``ahead + 1`` results. An error of ``batch_at`` or ``put`` is raised
    by the call for its step. Only one thread may call.

    waited: seconds that calls have waited for the thread.
    """

    # The caller and the thread share SimpleQueues and a flag, and nothing else: these are safe where a signal's handler
    # raises at any bytecode, which threading.Condition and queue.Queue, written in Python, are not.

    def __init__(
        self,
        batch_at: Callable[[int], Any],
        *,
        start: int,
        stop: int,
        put: Callable[[Any], Any] = lambda batch: batch,
        ahead: int = 2,
    ):
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, got {ahead}.")
        self.waited = 0.0
        self._make = lambda step: put(batch_at(step))
        self._start, self._stop, self._ahead = start, stop, ahead
        self._lines: SimpleQueue[_Line | None] = SimpleQueue()
        self._line = _Line()
        self._next: int | None = None
        self._entered = False
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> "Prefetch":
        self._thread.start()
        self._entered = True
        self._restart(self._start)
        return self

    def __exit__(self, *_) -> None:
        self._entered = False
        self._line.end()
        self._lines.put(None)
        self._thread.join(PATIENCE)
        self._line, self._next = _Line(), None

    def __call__(self, step: int) -> Any:
        if step >= self._stop:
            raise ValueError(f"step {step} is not before stop, {self._stop}.")
        if step != self._next:
            self._restart(step)
        self._next = None  # an error or a signal below leaves the place unknown: the call after starts anew
        if step + self._ahead < self._stop:
            self._line.wanted.put(step + self._ahead)
        began = time.perf_counter()
        try:
            result, error = self._line.ready.get()
        finally:
            self.waited += time.perf_counter() - began
        if error is not None:
            raise error
        self._next = step + 1
        return result

    def _restart(self, step: int) -> None:
        if not self._entered:
            raise RuntimeError("a Prefetch is a context: use it inside its with statement.")
        self._line.end()
        self._line = _Line()
        self._lines.put(self._line)
        for wanted in range(step, min(step + self._ahead, self._stop)):
            self._line.wanted.put(wanted)
        self._next = step

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            while (step := line.wanted.get()) is not None and not line.ended:
                line.ready.put(self._attempt(step))

    def _attempt(self, step: int) -> tuple[Any, BaseException | None]:
        try:
            return self._make(step), None
        except BaseException as error:  # the caller's to judge
            return None, error


class _Line:
    """The steps ``wanted`` one after the other and, for each, ``ready``: its result and None, or None and its error."""

    def __init__(self) -> None:
        self.wanted: SimpleQueue[int | None] = SimpleQueue()
        self.ready: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.ended = False

    def end(self) -> None:
        """Has the thread leave this line once the step under way is made."""
        self.ended = True
        self.wanted.put(None)
