"""Memory of many trainings in one program, in ``History``'s place: a value for each member."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from jaxdl.metrics import Mean, Totals
from jaxdl.train.clock import Timing
from jaxdl.train.finite import WATCHED, finite_members

Series = list[float | None]


@dataclass
class MemberHistory(Timing):
    """History of all members, saved beside their states; plain JSON. Images are those of all members together.

    sums: of the training metrics since the last epoch ended.
    val_accuracies: of each epoch so far, by member; None where it is no number. diverged: the step (from 1) at which a
    member's loss, gradient or parameters were no longer finite, which ends nothing; None where they are. skipped:
    updates left out. validation_due: as in ``History``.
    """

    diverged: list[int | None]
    skipped: list[int]
    sums: Totals = field(default_factory=Totals)
    val_accuracies: list[Series] = field(default_factory=list)
    validation_due: bool = False

    @classmethod
    def new(cls, members: int) -> "MemberHistory":
        """Of a sweep that has not begun."""
        return cls(diverged=[None] * members, skipped=[0] * members)

    @classmethod
    def from_json(cls, stored: dict) -> "MemberHistory":
        """The inverse of ``to_json``."""
        return cls(**{**stored, "sums": Totals(stored["sums"])})

    def to_json(self) -> dict:
        """The fields as plain JSON."""
        return asdict(self)

    @property
    def alive(self) -> np.ndarray:
        """bool[M]: the members that have not diverged."""
        return np.array([place is None for place in self.diverged])

    @property
    def best_val_accuracies(self) -> Series:
        """The best of each member's; None where there is none."""
        by_member = zip(*self.val_accuracies, strict=True) if self.val_accuracies else ([] for _ in self.diverged)
        return [max((value for value in values if value is not None), default=None) for values in by_member]

    def add(self, step: int, metrics: Mapping[str, Mean]) -> None:
        """Adds the metrics of ``step``, whose totals and counts are float32[M]."""
        self.sums.add(metrics)
        self.mark(step, ~np.isfinite([metrics[name].total for name in WATCHED]).all(0))
        if "skipped" in metrics:
            self.skipped = (np.array(self.skipped) + metrics["skipped"].total.astype(int)).tolist()

    def add_validation(self, means: Mapping[str, Series], *, epoch_ends: bool, score: str = "accuracy") -> bool:
        """Adds the result of a validation; there is no best of different members, so returns False."""
        if score in means:
            self.val_accuracies.append(means[score])
        return False

    def check_params(self, step: int, params: Any) -> None:
        """Marks the members whose parameters are not finite after ``step``."""
        self.mark(step, ~finite_members(params))

    def mark(self, step: int, diverges: np.ndarray) -> None:
        """Those members, bool[M], diverged at ``step``, unless they had before."""
        for member in np.flatnonzero(diverges):
            if self.diverged[member] is None:
                self.diverged[member] = step

    def known(self, values: Sequence[float]) -> Series:
        """``values`` of the members that have not diverged; None of the others."""
        return [value if place is None else None for value, place in zip(_series(values), self.diverged, strict=True)]

    def epoch_means(self) -> dict[str, Series]:
        """The means of the training metrics since ``begin_epoch``, by member; None where they are no numbers."""
        return {name: _series(means) for name, means in self.sums.means().items() if name != "skipped"}

    def begin_epoch(self) -> None:
        self.sums = Totals()

    def figures(self) -> dict[str, Any]:
        """Figures of a record beside its metrics."""
        return {
            "diverged": list(self.diverged),
            "skipped_updates": list(self.skipped),
            "images_per_second": self.images_per_second,
            "waiting_for_data": self.waiting_for_data,
            "seconds": self.seconds,
        }


def _series(values: Sequence[float]) -> Series:
    """As JSON has numbers."""
    return [float(value) if math.isfinite(value) else None for value in values]
