"""Figures of several rounds as one, with what they vary by."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The middle of some values, and the outermost."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, round by round: a slow minute of the machine's is in both, and goes out of the ratio."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
