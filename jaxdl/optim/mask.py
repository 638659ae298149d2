"""Which parameters weight decay and penalties apply to."""

from collections.abc import Callable

import jax
import optax

Mask = optax.Params | Callable[[optax.Params], optax.Params] | None
"""A tree of booleans like the parameters, a function from parameters to one, or None for all of them."""


def decay_mask(params: optax.Params) -> optax.Params:
    """True for the leaves that weight decay applies to: kernels, not biases or norm parameters.

    A leaf of one dimension or none is a bias, a scale or a slope.
    """
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def select(params: optax.Params, mask: Mask) -> list[jax.Array]:
    """The leaves of ``params`` for which ``mask`` is True."""
    kept = mask(params) if callable(mask) else mask
    if kept is None:
        return jax.tree.leaves(params)
    chosen = jax.tree.map(lambda keep, leaf: leaf if keep else None, kept, params)
    return jax.tree.leaves(chosen)
