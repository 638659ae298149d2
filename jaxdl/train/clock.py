"""Time that a training takes: in all, computing, and waiting for data."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(kw_only=True)
class Timing:
    """Times of a training; plain numbers.

    seconds: spent in ``fit``, compilation, validation and checkpoints included.
    timed_images, timed_seconds: training alone, for images per second; waited_seconds: the part spent waiting for data.
    """

    seconds: float = 0.0
    timed_images: int = 0
    timed_seconds: float = 0.0
    waited_seconds: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Training images per second; 0 before two steps have run."""
        return self.timed_images / self.timed_seconds if self.timed_seconds else 0.0

    @property
    def waiting_for_data(self) -> float:
        """Fraction of the training time spent waiting for the next batch."""
        return min(self.waited_seconds / self.timed_seconds, 1.0) if self.timed_seconds else 0.0


class Clock:
    """Times training, and of it the waiting for data, into ``timing``: not compiling, validating and saving.

    It runs from one finished call to the next; what came between ``stop`` and the first call after it is left out.
    """

    def __init__(self, timing: Timing):
        self._timing, self._before, self._began = timing, timing.seconds, time.perf_counter()
        self._last: float | None = None
        self._a_step: float | None = None

    def start(self) -> None:
        """Runs from now on, unless it does already."""
        self._last = self._last or time.perf_counter()

    def stop(self) -> None:
        self._last = None

    def tick(self, *, steps: int, images: int) -> None:
        """Notes that a call of so many steps, on so many images, has finished."""
        now, last = time.perf_counter(), self._last
        if last is not None:
            self._timing.timed_seconds += now - last
            self._timing.timed_images += images
            self._a_step = (now - last) / steps
        self._last = now
        self.update()

    def steps_within(self, seconds: float) -> int:
        """Steps that take about so long, as the last call did; 1 while none was timed."""
        return 1 if self._a_step is None else max(1, int(seconds / max(self._a_step, 1e-9)))

    def update(self) -> None:
        """Brings ``timing.seconds`` up to now."""
        self._timing.seconds = self._before + time.perf_counter() - self._began

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A context in which the next batch is waited for."""
        asked = time.perf_counter()
        yield
        if self._last is not None:
            self._timing.waited_seconds += time.perf_counter() - asked
