"""Memory of a training beside its state: metrics since the last record, the best so far, and the time taken."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from jaxdl.metrics import Totals


@dataclass
class History:
    """History of a run, saved beside its state so that a resumed run is the same as an uninterrupted one; plain JSON.

    window, epoch: training metrics since the last step record and since the last epoch record.
    val_accuracies: at the end of each epoch so far.
    seconds: spent in ``fit``, compilation, validation and checkpoints included.
    timed_images, timed_seconds: training alone, for images per second; waited_seconds: the part spent waiting for data.
    skipped_updates: updates skipped because they were not finite.
    validation_due: the epoch that has just ended is not validated yet, because the run was asked to stop.
    """

    window: Totals = field(default_factory=Totals)
    epoch: Totals = field(default_factory=Totals)
    best_val_accuracy: float | None = None
    val_accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    timed_images: int = 0
    timed_seconds: float = 0.0
    waited_seconds: float = 0.0
    skipped_updates: int = 0
    validation_due: bool = False

    @classmethod
    def from_json(cls, stored: dict) -> "History":
        """The inverse of ``to_json``."""
        return cls(**{**stored, "window": Totals(stored["window"]), "epoch": Totals(stored["epoch"])})

    def to_json(self) -> dict:
        """The fields as plain JSON."""
        return asdict(self)

    @property
    def images_per_second(self) -> float:
        """Training images per second; 0 before two steps have run."""
        return self.timed_images / self.timed_seconds if self.timed_seconds else 0.0

    @property
    def waiting_for_data(self) -> float:
        """Fraction of the training time spent waiting for the next batch."""
        return min(self.waited_seconds / self.timed_seconds, 1.0) if self.timed_seconds else 0.0


class Clock:
    """Times training, and of it the waiting for data, into ``history``: not compiling, validating and saving.

    It runs from one finished call to the next; what came between ``stop`` and the first call after it is left out.
    """

    def __init__(self, history: History):
        self._history, self._before, self._began = history, history.seconds, time.perf_counter()
        self._last: float | None = None

    def start(self) -> None:
        """Runs from now on, unless it does already."""
        self._last = self._last or time.perf_counter()

    def stop(self) -> None:
        self._last = None

    def tick(self) -> bool:
        """Notes that a call has finished; returns whether it was timed."""
        now, last = time.perf_counter(), self._last
        if last is not None:
            self._history.timed_seconds += now - last
        self._last = now
        self.update()
        return last is not None

    def update(self) -> None:
        """Brings ``history.seconds`` up to now."""
        self._history.seconds = self._before + time.perf_counter() - self._began

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A context in which the next batch is waited for."""
        asked = time.perf_counter()
        yield
        if self._last is not None:
            self._history.waited_seconds += time.perf_counter() - asked
