"""MemberHistory of a sweep, saved beside its states so that it can resume: a value for each member; plain JSON."""

from dataclasses import asdict, dataclass, field

import numpy as np

Series = list[float | None]


@dataclass
class MemberHistory:
    """sums: of the training metrics since the last epoch ended, ``{name: [totals, counts]}``, a list of members each.

    val_accuracies: of each epoch so far, by member; None where it is no number. diverged: the step (from 1) at which a
    member's loss, gradient or parameters were no longer finite; None where they are. skipped: updates left out.
    seconds, timed_images, timed_seconds: as in ``jaxdl.train.history.History``, images of all members together.
    validation_due: the epoch that has just ended is not validated yet.
    """

    diverged: list[int | None]
    skipped: list[int]
    sums: dict[str, list[list[float]]] = field(default_factory=dict)
    val_accuracies: list[Series] = field(default_factory=list)
    seconds: float = 0.0
    timed_images: int = 0
    timed_seconds: float = 0.0
    validation_due: bool = False

    @classmethod
    def new(cls, members: int) -> "MemberHistory":
        """Of a sweep that has not begun."""
        return cls(diverged=[None] * members, skipped=[0] * members)

    def to_json(self) -> dict:
        """The fields, as ``MemberHistory(**...)`` takes them."""
        return asdict(self)

    @property
    def images_per_second(self) -> float:
        """Of all members together; 0 before anything was timed."""
        return self.timed_images / self.timed_seconds if self.timed_seconds else 0.0

    @property
    def best_val_accuracies(self) -> Series:
        """The best of each member's; None where there is none."""
        by_member = zip(*self.val_accuracies, strict=True) if self.val_accuracies else ([] for _ in self.diverged)
        return [max((value for value in values if value is not None), default=None) for values in by_member]

    def add(self, step: int, metrics: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """The metrics of step ``step`` (from 1): totals and counts, float[M]."""
        for name, (total, count) in metrics.items():
            sums = self.sums.setdefault(name, [[0.0] * len(self.diverged), [0.0] * len(self.diverged)])
            for place, values in enumerate((total, count)):
                sums[place] = (np.array(sums[place]) + values).tolist()
        finite = np.isfinite([metrics[name][0] for name in ("loss", "grad_norm")]).all(0)
        self.mark(step, ~finite)
        if "skipped" in metrics:
            self.skipped = (np.array(self.skipped) + metrics["skipped"][0].astype(int)).tolist()

    def mark(self, step: int, diverges: np.ndarray) -> None:
        """Those members, bool[M], diverged at ``step``, unless they had before."""
        for member in np.flatnonzero(diverges):
            if self.diverged[member] is None:
                self.diverged[member] = step

    def means(self, name: str) -> Series:
        """The mean of a training metric since the last epoch ended, by member; None where it is no number."""
        totals, counts = np.array(self.sums[name])
        return finite_or_none(totals / np.where(counts > 0, counts, 1))


def finite_or_none(values: np.ndarray) -> Series:
    """As JSON has numbers."""
    return [float(value) if np.isfinite(value) else None for value in values]
