"""Losses of segmenters: of logits of each pixel, whose masks have pixels that are ignored."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxdl.errors import UserError
from jaxdl.losses.of_classes import FOCUS, focal
from jaxdl.losses.softmax import cross_entropy, target_weights
from jaxdl.losses.targets import check_labels
from jaxdl.masks import IGNORED


def pixel_cross_entropy(
    logits: jax.Array,
    masks: jax.Array,
    *,
    label_smoothing: float = 0.0,
    weight: ArrayLike | None = None,
    ignore_index: int = IGNORED,
) -> tuple[jax.Array, jax.Array]:
    """``cross_entropy`` of each pixel, and its weight: 0 where it is ignored, else its class's.

    logits: float[B, H, W, classes]; masks: int[B, H, W]; returns float32[B, H, W] twice. The step divides the sum of
    the values by that of the weights, as ``torch.nn.functional.cross_entropy(ignore_index=255)`` does over a batch.
    """
    how = {"weight": weight, "ignore_index": ignore_index}
    values = cross_entropy(logits, masks, label_smoothing=label_smoothing, **how)
    return values, target_weights(masks, **how)


def pixel_focal(
    logits: jax.Array,
    masks: jax.Array,
    *,
    label_smoothing: float = 0.0,
    gamma: float = FOCUS,
    ignore_index: int = IGNORED,
) -> tuple[jax.Array, jax.Array]:
    """``focal`` of each pixel, and 1 where it counts; shapes as in ``pixel_cross_entropy``."""
    check_labels(masks, logits.shape[-1], ignore_index)
    counted = masks != ignore_index
    values = focal(logits, jnp.where(counted, masks, 0), label_smoothing=label_smoothing, gamma=gamma)
    return jnp.where(counted, values, 0.0), counted.astype(jnp.float32)


def dice(logits: jax.Array, masks: jax.Array, *, smooth: float = 1.0, ignore_index: int = IGNORED) -> jax.Array:
    """One minus the Dice coefficient, 2 |A and B| / (|A| + |B|) of probabilities, averaged over an image's classes
    (Milletari et al. 2016, without their squares).

    logits: float[B, H, W, classes]; masks: int[B, H, W]; returns float32[B]. Ignored pixels count nowhere, and classes
    that an image's mask does not have are left out of its average. smooth: added above and below; a class of few pixels
    has a gentler slope. Raises UserError where it is negative, and outside jit for a pixel that has no class.
    """
    if smooth < 0:
        raise UserError(f"smooth must be at least 0, got {smooth}.")
    classes = logits.shape[-1]
    check_labels(masks, classes, ignore_index)
    counted = (masks != ignore_index)[..., None]
    probabilities = jnp.where(counted, jax.nn.softmax(logits.astype(jnp.float32)), 0.0)
    truth = jax.nn.one_hot(masks, classes) * counted
    total = partial(jnp.sum, axis=(1, 2))
    there = total(truth) > 0
    coefficient = (2 * total(probabilities * truth) + smooth) / (total(probabilities) + total(truth) + smooth)
    wrong = counted[..., 0] & ((masks < 0) | (masks >= classes))
    values = jnp.where(there, 1 - coefficient, 0.0).sum(-1) / jnp.maximum(there.sum(-1), 1)
    return jnp.where(wrong.any((1, 2)), jnp.nan, values)
