"""A run's records as curves: lists of the same length with a value per epoch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

NORM, STILL = "train_grad_norm/", "train_no_gradient/"


class Swings(NamedTuple):
    """Oscillation of a loss: which loss, the mean change as a fraction of it, changes of direction, and epochs."""

    of: str
    share: float
    turns: int
    epochs: int


@dataclass(frozen=True)
class Curves:
    """epochs: those that ended, 1.0 the first. val_loss, val_accuracy: [] without validation; train_accuracy: [] of a
    detector, which has none.

    group_norms: the median norm of each layer group's gradient, from the input to the output. still: the share of units
    without gradient, by group, an entry an epoch. steps: updates made in all, if known. skipped: those left out as not
    finite. stopped: why the run ended before its time, if a fault ended it.
    """

    epochs: list[float]
    train_loss: list[float]
    train_accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    grad_norm: list[float]
    group_norms: dict[str, float] = field(default_factory=dict)
    still: dict[str, list[float]] = field(default_factory=dict)
    steps: int | None = None
    skipped: int = 0
    stopped: str | None = None

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], groups: Sequence[str] = ()) -> "Curves":
        """From the records of ``metrics.jsonl``; ``groups``: names of layer groups, from the input to the output."""
        rows = [record for record in records if record["kind"] == "epoch"]
        stops = [record["reason"] for record in records if record["kind"] == "stopped"]
        validated = rows if all("val_loss" in row for row in rows) else []
        held = [name for name in groups if rows and NORM + name in rows[-1]]
        return cls(
            epochs=[row["epoch"] for row in rows],
            train_loss=[row["train_loss"] for row in rows],
            train_accuracy=[row["train_accuracy"] for row in rows if "train_accuracy" in row],
            val_loss=[row["val_loss"] if math.isfinite(row["val_loss"]) else math.inf for row in validated],
            val_accuracy=[row["val_accuracy"] for row in validated],
            grad_norm=[row["train_grad_norm"] for row in rows],
            group_norms={name: float(np.median([row.get(NORM + name, 0.0) for row in rows])) for name in held},
            still={name: [row.get(STILL + name, 0.0) for row in rows] for name in held if STILL + name in rows[-1]},
            steps=rows[-1].get("step") if rows else None,
            skipped=rows[-1].get("skipped_updates", 0) if rows else 0,
            stopped=stops[-1] if stops else None,
        )

    @property
    def first(self) -> str:
        """The layer group with a kernel that is nearest to the input."""
        return next(iter(self.still))

    @property
    def last(self) -> str:
        """The layer group with a kernel that is nearest to the output."""
        return list(self.still)[-1]

    @property
    def first_to_last(self) -> float | None:
        """The gradient norm of the first layers over that of the last; None if there are not two."""
        if len(self.still) < 2 or not self.group_norms[self.last]:
            return None
        return self.group_norms[self.first] / self.group_norms[self.last]

    @property
    def gaps(self) -> list[float]:
        """Training accuracy minus validation accuracy."""
        return [train - val for train, val in zip(self.train_accuracy, self.val_accuracy, strict=True)]

    @property
    def lowest_val_loss(self) -> int:
        """The index of the epoch with the lowest validation loss."""
        return int(np.argmin(self.val_loss))

    @property
    def still_falling(self) -> bool:
        """Whether a tenth or more of the training loss's total fall was in the last third of the epochs."""
        loss = self.train_loss
        if len(loss) < 3 or loss[0] <= loss[-1]:
            return False
        return loss[2 * len(loss) // 3 - 1] - loss[-1] >= 0.1 * (loss[0] - loss[-1])

    @property
    def judged(self) -> str:
        """The split whose accuracy tells whether a run improves: validation, or training without one."""
        return "validation" if self.val_accuracy else "training"

    def still_improving(self, *, share: float, least: float) -> bool:
        """Whether the last third of the epochs mended that share of the mistakes, and so many of all examples, and took
        the loss lower too."""
        accuracy, loss = self.val_accuracy or self.train_accuracy, self.val_loss or self.train_loss
        early = 2 * len(accuracy) // 3
        if not early or min(loss[early:]) >= min(loss[:early]):
            return False
        before, after = 1 - max(accuracy[:early]), 1 - max(accuracy[early:])
        return before - after >= max(share * before, least)

    def dead_units(self, *, above_loss: float) -> dict[str, float]:
        """By group, the fraction of units without gradient in the last epoch of training loss above ``above_loss``."""
        rows = [index for index, loss in enumerate(self.train_loss) if loss > above_loss]
        return {name: shares[rows[-1]] for name, shares in self.still.items()} if rows else {}

    def swings(self) -> Swings | None:
        """Swings of the validation loss, or without one of the training loss; None for fewer than four epochs."""
        name, loss = ("validation loss", self.val_loss) if self.val_loss else ("training loss", self.train_loss)
        values = np.array(loss[len(loss) // 4 :])  # the first epochs fall steeply, and may
        if len(values) < 4 or not np.isfinite(values).all():
            return None
        changes = np.diff(values)
        beside = changes - changes.mean()
        turns = int((np.sign(changes[1:]) != np.sign(changes[:-1])).sum())
        return Swings(name, float(np.abs(beside).mean() / max(values.mean(), 1e-12)), turns, len(values))
