"""Early stopping, as functions of the values seen so far."""

import math
from collections.abc import Sequence

from jaxdl.errors import UserError, unknown

MODES = ("min", "max")


def stops_early(values: Sequence[float], *, patience: int, min_delta: float = 0.0, mode: str = "min") -> bool:
    """Whether the last ``patience`` values brought no improvement.

    values: one per validation, oldest first, such as losses (mode "min") or accuracies (mode "max").
    min_delta: a value improves only if it is better by more than this than the last one that improved; the first number
    always does, NaN never.
    It is the rule of Keras's and Lightning's ``EarlyStopping``; as it depends on ``values`` alone, a resumed run stops
    where an uninterrupted one does. Raises UserError for a patience below 1, a negative min_delta or an unknown mode.
    """
    sign = _sign(mode)
    if patience < 1:
        raise UserError(f"patience must be at least 1, got {patience}.")
    if not min_delta >= 0:
        raise UserError(f"min_delta must be at least 0, got {min_delta}.")
    reference, waited = math.inf, 0
    for value in values:
        waited += 1
        if sign * value < reference - min_delta:
            reference, waited = sign * value, 0
    return waited >= patience


def best(values: Sequence[float], mode: str = "min") -> int:
    """The index of the best value, the first of equals; NaN is never the best. Raises UserError if there is none."""
    sign = _sign(mode)
    numbers = [index for index, value in enumerate(values) if not math.isnan(value)]
    if not numbers:
        raise UserError(f"there is no best value among {list(values)}.")
    return min(numbers, key=lambda index: sign * values[index])


def _sign(mode: str) -> float:
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    return 1.0 if mode == "min" else -1.0
