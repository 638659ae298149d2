"""Functions that come with their own gradient."""

from collections.abc import Callable
from typing import Any

import jax


def with_gradient(
    value: Callable[[Any], jax.Array], value_and_gradient: Callable[[Any], tuple[jax.Array, Any]]
) -> Callable[[Any], jax.Array]:
    """``value`` for reverse-mode differentiation by ``value_and_gradient``, both functions of a tree to a scalar.

    ``jax.grad`` of a sum over devices, seen from one of them, would be that of all devices' copies of the sum.
    """
    function = jax.custom_vjp(value)
    function.defvjp(value_and_gradient, lambda gradient, slope: (jax.tree.map(lambda leaf: slope * leaf, gradient),))
    return function
