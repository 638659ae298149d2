"""RoIAlign: the part of a feature map within a box, at a fixed size (He et al. 2017), of one map and of a pyramid."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.detection.boxes import box_area

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4  # pixels of a box, and the logarithm of the stride of the map that it is for
SLACK = 1e-6  # added to a box's level before it is rounded down


def roi_align(
    features: jax.Array,
    boxes: jax.Array,
    output_size: int | tuple[int, int],
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> jax.Array:
    """The map within each box, float[K, *output_size, C]: the mean of bilinear samples in each cell of a grid.

    features: float[H, W, C]. boxes: float[K, 4], in pixels of the picture; times ``spatial_scale``, in places of the
    map. sampling_ratio: samples along each side of a cell; as many as it is long, rounded up, if not positive.
    aligned: whether places are taken for the middles of what they stand for, and boxes of less than a place allowed.
    ``torchvision.ops.roi_align`` of one image; see ``jax.vmap`` for several.
    """
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    starts, sides = _grid(boxes * spatial_scale, aligned=aligned)
    if sampling_ratio > 0:
        flat = features.reshape(-1, features.shape[-1])
        shape = [jnp.full(len(boxes), side) for side in features.shape[:2]]
        return _sampled(flat, *shape, jnp.zeros(len(boxes), jnp.int32), starts, sides, size, sampling_ratio)
    rows, columns = (
        _adaptive_weights(starts[:, axis], sides[:, axis], size[axis], features.shape[axis]) for axis in (0, 1)
    )
    contract = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    return contract("kpx,kyxc->kypc", columns, contract("kyh,hxc->kyxc", rows, features)).astype(features.dtype)


def multiscale_roi_align(
    maps: Sequence[jax.Array],
    boxes: jax.Array,
    output_size: int,
    *,
    image: tuple[int, int],
    sampling_ratio: int = 2,
) -> jax.Array:
    """``roi_align`` of each box in one map of a pyramid, the coarser the larger the box: float[K, size, size, C].

    maps: float[h, w, C] each, the finest first. boxes: float[K, 4], in pixels of the picture. image: its (H, W).
    torchvision's ``MultiScaleRoIAlign``: a box of 224 pixels is for the map of stride 16.
    """
    strides = [round(np.log2(image[0] / each.shape[0])) for each in maps]
    level = CANONICAL_LEVEL + jnp.log2(jnp.sqrt(box_area(boxes)) / CANONICAL_SIDE)
    level = jnp.clip(jnp.floor(level + SLACK), strides[0], strides[-1]).astype(jnp.int32) - strides[0]
    heights, widths = (jnp.asarray([each.shape[axis] for each in maps])[level] for axis in (0, 1))
    places = np.cumsum([0, *(each.shape[0] * each.shape[1] for each in maps[:-1])])
    scale = jnp.asarray([2.0**-each for each in strides], boxes.dtype)[level]
    size = (output_size, output_size)
    starts, sides = _grid(boxes * scale[:, None], aligned=False)
    flat = jnp.concatenate([each.reshape(-1, each.shape[-1]) for each in maps])
    return _sampled(flat, heights, widths, jnp.asarray(places)[level], starts, sides, size, sampling_ratio)


def _grid(boxes: jax.Array, *, aligned: bool) -> tuple[jax.Array, jax.Array]:
    """Of boxes in places of a map, where the grid begins and its sides: float[K, 2], (y, x), twice.

    Without gradients, as torchvision.
    """
    boxes = jax.lax.stop_gradient(boxes) - (0.5 if aligned else 0.0)
    starts, ends = boxes[:, 1::-1], boxes[:, :1:-1]
    return starts, ends - starts if aligned else jnp.maximum(ends - starts, 1.0)


def _sampled(
    flat: jax.Array,
    heights: jax.Array,
    widths: jax.Array,
    firsts: jax.Array,
    starts: jax.Array,
    sides: jax.Array,
    size: tuple[int, int],
    ratio: int,
) -> jax.Array:
    """Means of ``ratio`` x ``ratio`` samples a cell, of maps laid end to end: float[K, *size, C].

    flat: float[places, C]. heights, widths, firsts: int[K], of each box's map, and where it begins.
    """
    rows, columns = (
        _neighbours(_positions(starts[:, axis], sides[:, axis], size[axis], ratio), of_map)
        for axis, of_map in ((0, heights), (1, widths))
    )
    total = 0.0
    for y, weight_y in rows:
        for x, weight_x in columns:
            places = firsts[:, None, None] + (y * widths[:, None])[:, :, None] + x[:, None]
            total += flat[places] * (weight_y[:, :, None] * weight_x[:, None])[..., None].astype(flat.dtype)
    shape = (len(starts), size[0], ratio, size[1], ratio, flat.shape[-1])
    return total.reshape(shape).sum((2, 4)) / ratio**2


def _positions(start: jax.Array, side: jax.Array, count: int, ratio: int) -> jax.Array:
    """Of samples along a side, in places: float[K, count * ratio]."""
    samples = (jnp.arange(ratio, dtype=start.dtype) + 0.5) / ratio
    cells = jnp.arange(count, dtype=start.dtype)[:, None] + samples[None]
    return start[:, None] + cells.reshape(1, -1) * (side / count)[:, None]


def _neighbours(positions: jax.Array, side: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """The two places beside each position along a side of so many, and their weights; 0 a place beyond its ends."""
    last = (side - 1).reshape(-1, *[1] * (positions.ndim - 1))
    inside = (positions >= -1) & (positions <= last + 1)
    positions = jnp.clip(positions, 0, last.astype(positions.dtype))
    below = jnp.minimum(positions.astype(jnp.int32), last)
    above, fraction = jnp.minimum(below + 1, last), positions - below
    return [(below, (1 - fraction) * inside), (above, fraction * inside)]


def _adaptive_weights(start: jax.Array, side: jax.Array, count: int, available: int) -> jax.Array:
    """Weight of each of ``available`` places in each of ``count`` cells along a side: float[K, count, available].

    The mean over as many samples as a cell is long, rounded up; so the loop is as long as the longest of all.
    """
    cell = side / count
    samples = jnp.ceil(cell)
    # XLA multiplies by 1 / count instead: 21 / 7 is a little more than 3, and would be rounded up to 4.
    samples = jnp.where((samples - 1) * count >= side, samples - 1, samples)
    ends = start[:, None] + jnp.arange(count, dtype=start.dtype)[None] * cell[:, None]
    places = jnp.arange(available)[None, None]

    def add(number: jax.Array, total: jax.Array) -> jax.Array:
        position = ends + ((number + 0.5) * cell / jnp.maximum(samples, 1))[:, None]
        taken = (number < samples)[:, None, None]
        for place, weight in _neighbours(position, jnp.full(len(start), available)):
            total += jnp.where(taken & (places == place[..., None]), weight[..., None], 0)
        return total

    longest = jnp.max(samples, initial=0).astype(jnp.int32)
    total = jax.lax.fori_loop(0, longest, add, jnp.zeros((len(start), count, available), start.dtype))
    return total / jnp.maximum(samples, 1)[:, None, None]
