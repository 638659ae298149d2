"""The rows of a batch: their number, and padding."""

from typing import Any

from jaxdl.train.gradients import Batch


def rows_of(batch: Batch) -> int:
    """Number of rows of the batch."""
    return len(batch["labels"])


def up_to_multiple(number: int, of: int) -> int:
    """The smallest multiple of ``of`` that is not below ``number``."""
    return -(-number // of) * of


def fill(batch: Batch, rows: int, numpy: Any) -> dict[str, Any]:
    """``batch`` padded with zeros to ``rows`` rows, and a mask that is False for them; unchanged if it has as many.

    numpy: the module to use, numpy itself or jax.numpy.
    """
    missing = rows - rows_of(batch)
    if not missing:
        return dict(batch)
    batch = {"mask": numpy.ones(rows_of(batch), bool), **batch}
    return {name: numpy.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for name, array in batch.items()}
