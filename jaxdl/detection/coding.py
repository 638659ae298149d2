"""Boxes told from other boxes: the four numbers that a detector's regression predicts."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

LARGEST = math.log(1000 / 16)  # logarithm of a side over the reference's


def encode_boxes(boxes: jax.Array, references: jax.Array, *, weights: Sequence[float] = (1, 1, 1, 1)) -> jax.Array:
    """Numbers that tell each box from its reference, both float[..., 4]: (dx, dy, dw, dh), float[..., 4].

    The centre's distance in the reference's sides and the logarithms of the sides over its, each times a weight:
    torchvision's ``BoxCoder.encode`` (Girshick et al. 2014).
    """
    centres, sides = _centres_and_sides(boxes)
    origins, units = _centres_and_sides(references)
    told = jnp.concatenate([(centres - origins) / units, jnp.log(sides / units)], axis=-1)
    return told * jnp.broadcast_to(jnp.asarray(weights, told.dtype), told.shape)


def decode_boxes(told: jax.Array, references: jax.Array, *, weights: Sequence[float] = (1, 1, 1, 1)) -> jax.Array:
    """Boxes of the numbers of ``encode_boxes``, sides no more than 62.5 times the reference's; all float[..., 4].

    torchvision's ``BoxCoder.decode``.
    """
    told = told / jnp.broadcast_to(jnp.asarray(weights, told.dtype), told.shape)
    origins, units = _centres_and_sides(references)
    centres = told[..., :2] * units + origins
    halves = 0.5 * jnp.exp(jnp.minimum(told[..., 2:], LARGEST)) * units
    return jnp.concatenate([centres - halves, centres + halves], axis=-1)


def _centres_and_sides(boxes: jax.Array) -> tuple[jax.Array, jax.Array]:
    sides = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * sides, sides
