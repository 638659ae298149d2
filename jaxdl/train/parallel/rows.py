"""The rows of a batch: how many there are, and those that fill it up."""

from typing import Any

from jaxdl.train.step import Batch


def rows_of(batch: Batch) -> int:
    """How many there are."""
    return len(batch["labels"])


def up_to_multiple(number: int, of: int) -> int:
    """The smallest multiple of ``of`` that is not below ``number``."""
    return -(-number // of) * of


def fill(batch: Batch, rows: int, numpy: Any) -> dict[str, Any]:
    """``batch`` with zeros up to so many rows, and a mask that leaves them out; unchanged if it has as many.

    numpy: the module to do it with, numpy itself or jax.numpy.
    """
    missing = rows - rows_of(batch)
    if not missing:
        return dict(batch)
    batch = {"mask": numpy.ones(rows_of(batch), bool), **batch}
    return {name: numpy.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for name, array in batch.items()}
