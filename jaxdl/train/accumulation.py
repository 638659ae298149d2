"""Gradient accumulation: a batch processed in parts, one after another, when the whole would not fit in memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.cpu import loops
from jaxdl.errors import UserError


def split_rows(batch: Any, parts: int) -> Any:
    """Every leaf [B, ...] as [parts, B / parts, ...], part k being rows k, k + parts, ...

    So each part takes equally many rows from each of the devices over which consecutive rows are divided. Raises
    UserError if ``parts`` does not divide B.
    """
    size = jax.tree.leaves(batch)[0].shape[0]
    if parts < 1 or size % parts:
        raise UserError(f"accumulate must divide the batch, got {parts} for a batch of {size}.")
    return jax.tree.map(lambda leaf: leaf.reshape(size // parts, parts, *leaf.shape[1:]).swapaxes(0, 1), batch)


def sum_over_parts(function: Callable[[Any, Any], tuple[Any, Any]], carry: Any, parts: Any) -> tuple[Any, Any]:
    """``function(carry, part) -> (carry, values)`` for each part in turn: the last carry and the sum of the values."""
    first, rest = (jax.tree.map(lambda leaf, rows=rows: leaf[rows], parts) for rows in (0, slice(1, None)))
    state = function(carry, first)

    def add(state: tuple[Any, Any], part: Any) -> tuple[Any, Any]:
        carry, values = function(state[0], part)
        return carry, jax.tree.map(jnp.add, state[1], values)

    return loops.fold(add, state, rest)
