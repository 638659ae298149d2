"""Masks of a grid over each box, brought to where the box is in the picture."""

import jax
import jax.numpy as jnp

from jaxdl.detection.resizing import interpolation


def paste_masks(masks: jax.Array, boxes: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Masks float32[K, M, M] over boxes float32[K, 4] as parts of a picture of that size: float32[K, *size].

    torchvision's ``paste_masks_in_image``: with a border of a place, enlarged to the whole pixels that it covers.
    """
    side = masks.shape[-1] + 2
    padded = jnp.pad(masks, ((0, 0), (1, 1), (1, 1)))
    factor = side / masks.shape[-1]
    halves, middles = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * factor, (boxes[:, 2:] + boxes[:, :2]) * 0.5
    firsts, lasts = (middles - halves).astype(jnp.int32), (middles + halves).astype(jnp.int32)

    def weights(first: jax.Array, last: jax.Array, count: int) -> jax.Array:
        """float32[count, M + 2], of one box along one side."""
        length, places = jnp.maximum(last - first + 1, 1), jnp.arange(count) - first
        inside = (places >= 0) & (places < length)
        return interpolation(places, jnp.int32(side), length, side, masks.dtype) * inside[:, None]

    def paste(mask: jax.Array, first: jax.Array, last: jax.Array) -> jax.Array:
        across, down = (weights(first[axis], last[axis], size[1 - axis]) for axis in (0, 1))
        return jnp.einsum("ym,mn,xn->yx", down, mask, across, precision=jax.lax.Precision.HIGHEST)

    return jax.vmap(paste)(padded, firsts, lasts)
