"""Reduction of a loss's values, for use outside the step, which masks and averages by itself."""

import jax

from jaxdl.errors import unknown

REDUCTIONS = ("mean", "sum", "none")


def reduce(values: jax.Array, reduction: str = "mean", *, weights: jax.Array | None = None) -> jax.Array:
    """PyTorch's ``reduction``: "mean", "sum", or "none".

    weights: ``target_weights`` of a weighted cross entropy: the mean divides by their sum, or by the number of values
    if None. As in PyTorch the mean is NaN if all targets are ignored.
    """
    if reduction not in REDUCTIONS:
        raise unknown("reduction", reduction, REDUCTIONS)
    if reduction == "none":
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    return total / (values.size if weights is None else weights.sum())
