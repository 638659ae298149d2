"""Penalties on the size of the weights, to be multiplied by a strength and added to the loss."""

import jax
import jax.numpy as jnp
import optax

from jaxdl.optim.mask import Mask, decay_mask, select


def l1_penalty(params: optax.Params, mask: Mask = decay_mask) -> jax.Array:
    """The sum of absolute weights, float[]: ``sum(p.abs().sum() for p in ...)`` in PyTorch.

    Its gradient is sign(w), 0 at 0 as in PyTorch; that of ``jnp.abs`` is 1 there, and would push weights off 0.

    mask: the leaves that count; kernels unless said otherwise, None for all.
    """
    return sum(((leaf * jnp.sign(leaf)).sum() for leaf in select(params, mask)), start=jnp.zeros(()))


def l2_penalty(params: optax.Params, mask: Mask = decay_mask) -> jax.Array:
    """The sum of squared weights, float[], without the factor 1/2: ``sum(p.pow(2).sum() for p in ...)`` in PyTorch.

    Its gradient is 2 w: ``loss + a / 2 * l2_penalty(params)`` trains as ``create(..., l2=a)`` does. The two measure
    differently, though: the first counts the penalty into the loss, and clips its gradient with the rest.

    mask: the leaves that count; kernels unless said otherwise, None for all.
    """
    return sum((jnp.square(leaf).sum() for leaf in select(params, mask)), start=jnp.zeros(()))
