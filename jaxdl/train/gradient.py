"""Functions that come with their own gradient."""

from collections.abc import Callable
from typing import Any

import jax


def with_gradient(
    value: Callable[[Any], jax.Array], value_and_gradient: Callable[[Any], tuple[jax.Array, Any]]
) -> Callable[[Any], jax.Array]:
    """``value`` with the gradient of ``value_and_gradient`` in reverse mode, both functions of a tree to a scalar.

    ``jax.grad`` of a sum over devices would add up the gradients of every device's copy of the sum.
    """
    function = jax.custom_vjp(value)
    function.defvjp(value_and_gradient, lambda gradient, slope: (jax.tree.map(lambda leaf: slope * leaf, gradient),))
    return function
