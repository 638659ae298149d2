"""One picture and its objects, resized and moved onto a canvas, and what of them is seen there.

``before`` and ``after``: int32[2], the picture's true (height, width) as it is and on the canvas. ``offset``: int32[2],
the canvas's row and column, also negative, on which its first pixel lands. ``canvas``: (height, width), static.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.detection.boxes import large_enough
from jaxdl.detection.image_list import Targets

ROUNDING = 0.01  # pixels, of coordinates in the thousands
Tree = TypeVar("Tree")


def place(
    image: jax.Array, before: jax.Array, after: jax.Array, offset: jax.Array, canvas: tuple[int, int]
) -> tuple[jax.Array, jax.Array]:
    """A picture [H, W, C] on the canvas, float32[*canvas, C], and where it is, bool[*canvas, 1]; 0 elsewhere.

    As ``torch.nn.functional.interpolate(mode="bilinear", antialias=True)``, in one resampling.
    """
    rows, columns = (
        _weights(_places(offset[axis], after[axis], canvas[axis]), before[axis], after[axis], image.shape[axis])
        for axis in (0, 1)
    )
    inside = covered(after, offset, canvas)
    # In full float32: the accelerators' faster default would keep about three digits of a pixel.
    pixels = jnp.einsum("oh,hwc->owc", rows, image.astype(jnp.float32), precision=jax.lax.Precision.HIGHEST)
    pixels = jnp.einsum("pw,owc->opc", columns, pixels, precision=jax.lax.Precision.HIGHEST)
    return jnp.where(inside[..., None], pixels, 0), inside[..., None]


def place_masks(
    masks: jax.Array, before: jax.Array, after: jax.Array, offset: jax.Array, canvas: tuple[int, int]
) -> jax.Array:
    """Masks [M, H, W] on the canvas, [M, *canvas], each pixel from the nearest, as ``interpolate(mode="nearest")``."""
    rows, columns = (_places(offset[axis], after[axis], canvas[axis]) * before[axis] // after[axis] for axis in (0, 1))
    return jnp.where(covered(after, offset, canvas)[None], masks[:, rows][:, :, columns], jnp.zeros((), masks.dtype))


def place_boxes(
    boxes: jax.Array, before: jax.Array, after: jax.Array, offset: jax.Array, canvas: tuple[int, int]
) -> jax.Array:
    """Boxes float32[M, 4] on the canvas, less what is not seen of them."""
    ratio = (after / before).astype(boxes.dtype)[::-1]
    first = jnp.maximum(offset, 0)
    last = jnp.maximum(jnp.minimum(offset + after, jnp.asarray(canvas)), first)
    first, last, offset = (jnp.tile(each[::-1], 2)[None].astype(boxes.dtype) for each in (first, last, offset))
    return jnp.clip(boxes * jnp.tile(ratio, 2)[None] + offset, first, last)


def covered(after: jax.Array, offset: jax.Array, canvas: tuple[int, int]) -> jax.Array:
    """Where a picture of the size ``after`` is: bool[*canvas]."""
    rows, columns = (
        (jnp.arange(canvas[axis]) >= offset[axis]) & (jnp.arange(canvas[axis]) < offset[axis] + after[axis])
        for axis in (0, 1)
    )
    return rows[:, None] & columns[None]


def as_pixels(values: jax.Array, dtype: DTypeLike) -> jax.Array:
    """float32 values as pixels of ``dtype``: rounded where that is of integers."""
    return (jnp.round(values) if jnp.issubdtype(dtype, jnp.integer) else values).astype(dtype)


def keep(targets: Targets, kept: jax.Array) -> Targets:
    """The objects that are ``kept``: bool[..., M]; the others are rows of zeros, as where there is none."""
    kept = kept & (targets.labels > 0)
    boxes = jnp.where(kept[..., None], targets.boxes, 0)
    masks = targets.masks
    if masks is not None:
        masks = jnp.where(kept[..., None, None], masks, jnp.zeros((), masks.dtype))
    return Targets(boxes, jnp.where(kept, targets.labels, 0), masks)


def something_left(boxes: jax.Array) -> jax.Array:
    """Whether more is left of a box than float32 may make of a box beyond the border: bool[..., M]."""
    return large_enough(boxes, ROUNDING)


def choose(condition: jax.Array, one: Tree, other: Tree) -> Tree:
    """One of two trees of arrays of the same shapes."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _places(offset: jax.Array, after: jax.Array, count: int) -> jax.Array:
    """The pixel of the resized picture at each of ``count`` of the canvas, or the nearest one: int32[count]."""
    return jnp.clip(jnp.arange(count) - offset, 0, after - 1)


def _weights(places: jax.Array, before: jax.Array, after: jax.Array, available: int) -> jax.Array:
    """Weight of each of ``available`` pixels, of which the first ``before`` are the picture's, in the resized one's
    pixels ``places``, of ``after``: float32[N, available].
    """
    pixels = jnp.arange(available)[None]
    # Numerators stay whole, so that nothing is lost where a position is large and a distance small.
    distance = (2 * pixels + 1) * after - (2 * places[:, None] + 1) * before
    weights = jnp.maximum(1 - jnp.abs(distance) / (2 * jnp.maximum(before, after)), 0)
    weights = jnp.where(pixels < before, weights, 0)
    return weights / weights.sum(1, keepdims=True)
