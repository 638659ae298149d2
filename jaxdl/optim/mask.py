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


def lone_biases(params: optax.Params) -> optax.Params:
    """True for biases without a kernel beside them: those of norm layers, and of layers whose kernel is frozen."""
    paths = {_names(path) for path, _ in jax.tree.leaves_with_path(params)}

    def lone(path: tuple, leaf: jax.Array) -> bool:
        *layer, name = _names(path) or ("",)
        return name == "bias" and (*layer, "kernel") not in paths

    return jax.tree.map_with_path(lone, params)


def select(params: optax.Params, mask: Mask) -> list[jax.Array]:
    """The leaves of ``params`` for which ``mask`` is True."""
    kept = mask(params) if callable(mask) else mask
    if kept is None:
        return jax.tree.leaves(params)
    chosen = jax.tree.map(lambda keep, leaf: leaf if keep else None, kept, params)
    return jax.tree.leaves(chosen)


def _names(path: tuple) -> tuple[str, ...]:
    return tuple(str(getattr(part, "key", part)) for part in path)
