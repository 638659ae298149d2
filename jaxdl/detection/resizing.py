"""Pictures brought to the size that a detector sees them in, and what it finds brought back.

As torchvision's ``GeneralizedRCNNTransform``: the shorter side becomes ``min_size`` pixels, or fewer where the longer
one would be more than ``max_size``; the batch is filled up with zeros to a multiple of 32.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.detection.image_list import ImageList, Targets

DIVISIBLE = 32  # sides of a batch


def seen_sizes(sizes: np.ndarray, *, min_size: int, max_size: int) -> np.ndarray:
    """(height, width) in which pictures of ``sizes`` are seen, int32[N, 2] both. On the host, in Python's numbers."""
    found = np.empty((len(sizes), 2), np.int32)
    for row, (height, width) in enumerate(np.asarray(sizes).tolist()):
        factor = min(min_size / min(height, width), max_size / max(height, width))
        found[row] = max(math.floor(height * factor), 1), max(math.floor(width * factor), 1)
    return found


def canvas_of(sizes: np.ndarray, *, divisible: int = DIVISIBLE) -> tuple[int, int]:
    """(height, width) of a batch that holds pictures of ``sizes``: int[N, 2]."""
    height, width = (int(-(-side // divisible) * divisible) for side in np.max(sizes, axis=0))
    return height, width


def resize(x: ImageList, sizes: jax.Array, canvas: tuple[int, int]) -> ImageList:
    """The pictures at ``sizes``: int32[B, 2], by bilinear interpolation, with zeros around: float32[B, *canvas, C].

    ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` of each. Under ``jit``, ``canvas`` is
    static.
    """
    images = x.images.astype(jnp.promote_types(x.images.dtype, jnp.float32))
    rows, columns = (
        jax.vmap(partial(_weights, count=canvas[axis], available=x.images.shape[1 + axis], dtype=images.dtype))(
            x.sizes[:, axis], sizes[:, axis]
        )
        for axis in (0, 1)
    )
    contract = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    images = contract("boh,bhwc->bowc", rows, images)
    return ImageList(contract("bpw,bowc->bopc", columns, images), sizes)


def resize_targets(targets: Targets, before: jax.Array, after: jax.Array, canvas: tuple[int, int]) -> Targets:
    """Objects in pictures of the sizes ``before``, int32[B, 2], as they are in resized ones; masks by the nearest."""
    boxes, masks = resize_boxes(targets.boxes, before, after), targets.masks
    if masks is not None:
        rows, columns = (jax.vmap(partial(_nearest, canvas[axis]))(before[:, axis], after[:, axis]) for axis in (0, 1))
        inside = [jnp.arange(canvas[axis])[None] < after[:, axis, None] for axis in (0, 1)]
        inside = (inside[0][:, :, None] & inside[1][:, None])[:, None]
        masks = jax.vmap(lambda mask, row, column: mask[:, row][:, :, column])(masks, rows, columns) * inside
    return Targets(boxes, targets.labels, masks)


def resize_boxes(boxes: jax.Array, before: jax.Array, after: jax.Array) -> jax.Array:
    """Boxes float32[B, N, 4] in pictures of the sizes ``before`` as they are in those of ``after``, int32[B, 2]."""
    ratio = after.astype(jnp.float32) / before.astype(jnp.float32)
    return boxes * jnp.concatenate([ratio, ratio], axis=-1)[:, None, jnp.asarray([1, 0, 3, 2])].astype(boxes.dtype)


def _nearest(count: int, before: jax.Array, after: jax.Array) -> jax.Array:
    """Which of ``before`` pixels each of ``count`` shows, of which ``after`` are made of them: int32[count].

    ``torch.nn.functional.interpolate(mode="nearest")``, whose rounding in float32 may show the pixel before.
    """
    scale = before.astype(jnp.float32) / after.astype(jnp.float32)
    return jnp.minimum((jnp.arange(count, dtype=jnp.float32) * scale).astype(jnp.int32), before - 1)


def _weights(before: jax.Array, after: jax.Array, *, count: int, available: int, dtype: DTypeLike) -> jax.Array:
    """Weight of each of ``available`` pixels in each of ``count``, of which ``after`` are to be of ``before``."""
    weights = interpolation(jnp.arange(count), before, after, available, dtype)
    return weights * (jnp.arange(count) < after)[:, None]


def interpolation(
    places: jax.Array, before: jax.Array, after: jax.Array, available: int, dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """Weight of each of ``available`` pixels at places among ``after`` that are made of ``before``: [N, available].

    In ``dtype`` throughout, as PyTorch.
    """
    scale = before.astype(dtype) / after.astype(dtype)
    position = jnp.maximum(scale * (places.astype(dtype) + 0.5) - 0.5, 0.0)
    below = jnp.minimum(position.astype(jnp.int32), before - 1)
    above, fraction = jnp.minimum(below + 1, before - 1), position - below
    pixels = jnp.arange(available)[None]
    return jnp.where(pixels == below[:, None], 1 - fraction[:, None], 0.0) + jnp.where(
        pixels == above[:, None], fraction[:, None], 0.0
    )


def sizes_within(sizes: jax.Array, *, min_size: int, max_size: int, canvas: tuple[int, int]) -> jax.Array:
    """As ``seen_sizes``, of int32[..., 2] under ``jit``, and no larger than ``canvas``: the flags' limits of a run.

    In whole numbers: where PyTorch's factor falls short of an exact quotient, a side is a pixel less there.
    """
    numpy = jnp if isinstance(sizes, jax.Array) else np
    short, long = sizes.min(-1, keepdims=True), sizes.max(-1, keepdims=True)
    by_short = min_size * long <= max_size * short
    above, below = numpy.where(by_short, min_size, max_size), numpy.where(by_short, short, long)
    for axis in (0, 1):
        side = sizes[..., axis : axis + 1]
        too_large = side * above > canvas[axis] * below
        above, below = numpy.where(too_large, canvas[axis], above), numpy.where(too_large, side, below)
    return numpy.maximum(sizes * above // below, 1).astype(numpy.int32)
