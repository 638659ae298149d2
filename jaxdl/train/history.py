"""Memory of a training beside its state: metrics since the last record, the best so far, and the time taken."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jaxdl.metrics import Mean, Totals
from jaxdl.train.clock import Timing
from jaxdl.train.finite import check_metrics, check_params

EARLIER = {"val_accuracies": "scores", "best_val_accuracy": "best_score"}  # names of fields, and what they are now


@dataclass
class History(Timing):
    """History of a run, saved beside its state so that a resumed run is the same as an uninterrupted one; plain JSON.

    window, epoch: training metrics since the last step record and since the last epoch record.
    scores: of the validation at the end of each epoch so far; best_score: of any validation.
    skipped_updates: updates skipped because they were not finite.
    validation_due: the epoch that has just ended is not validated yet, because the run was asked to stop.
    """

    window: Totals = field(default_factory=Totals)
    epoch: Totals = field(default_factory=Totals)
    best_score: float | None = None
    scores: list[float] = field(default_factory=list)
    skipped_updates: int = 0
    validation_due: bool = False

    @classmethod
    def from_json(cls, stored: dict) -> "History":
        """The inverse of ``to_json``, of earlier versions too."""
        stored = {EARLIER.get(name, name): value for name, value in stored.items()}
        return cls(**{**stored, "window": Totals(stored["window"]), "epoch": Totals(stored["epoch"])})

    def to_json(self) -> dict:
        """The fields as plain JSON."""
        return asdict(self)

    def add(self, step: int, metrics: Mapping[str, Mean]) -> None:
        """Adds the metrics of ``step``; raises NotFiniteError where its loss or its gradient is not finite."""
        check_metrics(step, metrics)
        if "skipped" in metrics:
            self.skipped_updates += int(metrics["skipped"].total)
        self.window.add(metrics)
        self.epoch.add(metrics)

    def add_validation(self, means: Mapping[str, float], *, epoch_ends: bool, score: str = "accuracy") -> bool:
        """Adds the result of a validation; returns whether its mean of the name ``score`` is the best so far."""
        value = means.get(score)
        if value is None:
            return False
        if epoch_ends:
            self.scores.append(value)
        best = self.best_score is None or value > self.best_score
        if best:
            self.best_score = value
        return best

    def check_params(self, step: int, params: Any) -> None:
        """Raises NotFiniteError where they are not finite after ``step``."""
        check_params(step, params)

    def window_means(self) -> dict[str, float]:
        """The means of the training metrics since this was last called."""
        means, self.window = self.window.means(), Totals()
        return means

    def epoch_means(self) -> dict[str, float]:
        """The means of the training metrics since ``begin_epoch``."""
        return self.epoch.means()

    def begin_epoch(self) -> None:
        self.epoch = Totals()

    def figures(self) -> dict[str, Any]:
        """Figures of a record beside its metrics."""
        return {
            "images_per_second": self.images_per_second,
            "waiting_for_data": self.waiting_for_data,
            "skipped_updates": self.skipped_updates,
            "seconds": self.seconds,
        }
