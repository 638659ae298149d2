"""Random windows that hold enough of an object."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data.augment.arguments import check_within, number_pair
from jaxdl.detection.augment.placement import choose, covered, keep
from jaxdl.detection.boxes import box_iou, clip_boxes_to_image
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.errors import UserError

OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def iou_crop(
    key: jax.Array,
    images: ImageList,
    targets: Targets,
    scale: tuple[float, float] = (0.3, 1.0),
    ratio: tuple[float, float] = (0.5, 2.0),
    overlaps: Sequence[float] = OVERLAPS,
    trials: int = 40,
    fill: float = 0,
) -> tuple[ImageList, Targets]:
    """A random window of each picture that overlaps with an object as much as drawn (Liu et al. 2016, SSD).

    The window becomes the picture, and only objects whose centre is within remain. scale: the least and the largest
    share of the height, and of the width. ratio: the least and the largest width over height. overlaps: the least
    intersection over union of the window and any such object is one of these; 1 leaves the picture as it is. trials:
    windows that are drawn, the first that holds is taken. fill: the value around the window.
    As ``torchvision.transforms.v2.RandomIoUCrop``, which draws another overlap where no window holds; here the picture
    stays as it is, as where it has no objects.
    Raises UserError where a pair is not in order, or not positive, or scale beyond 1, or there is no overlap or trial.
    """
    scale = number_pair("scale", scale, np.finfo(np.float32).tiny, 1)
    ratio = number_pair("ratio", ratio, np.finfo(np.float32).tiny)
    check_within("trials", trials, 1)
    if not overlaps:
        raise UserError("overlaps must be at least one number, got none.")
    crop = partial(_crop, scale=scale, ratio=ratio, overlaps=tuple(overlaps), trials=trials, fill=fill)
    return jax.vmap(crop)(jax.random.split(key, len(images.sizes)), images, targets)


def acceptable(
    windows: jax.Array, targets: Targets, overlap: jax.typing.ArrayLike, ratio: tuple[float, float]
) -> jax.Array:
    """Whether windows hold enough of one of a picture's objects: bool[N].

    windows: int32[N, 4], (x1, y1, x2, y2). overlap, ratio: as of ``iou_crop``, the one overlap that was drawn.
    """
    width, height = (windows[:, 2:] - windows[:, :2]).T
    aspect = width / jnp.maximum(height, 1)
    formed = (width > 0) & (height > 0) & (aspect >= ratio[0]) & (aspect <= ratio[1])
    iou = box_iou(windows.astype(targets.boxes.dtype), targets.boxes)
    return formed & (_holds(windows, targets) & (iou >= overlap)).any(1)


def _holds(windows: jax.Array, targets: Targets) -> jax.Array:
    """Whether the centre of each object is within each window: bool[N, M]."""
    centres = 0.5 * (targets.boxes[:, :2] + targets.boxes[:, 2:])[None]
    within = (windows[:, None, :2] < centres) & (centres < windows[:, None, 2:])
    return within.all(-1) & (targets.labels > 0)[None]


def _crop(
    key: jax.Array,
    image: ImageList,
    targets: Targets,
    *,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    overlaps: tuple[float, ...],
    trials: int,
    fill: float,
) -> tuple[ImageList, Targets]:
    overlap_key, side_key, place_key = jax.random.split(key, 3)
    overlap = jax.random.choice(overlap_key, jnp.asarray(overlaps, jnp.float32))
    size = image.sizes[None]
    shares = jax.random.uniform(side_key, (trials, 2), minval=scale[0], maxval=scale[1])
    sides = (size * shares).astype(jnp.int32)
    starts = ((size - sides) * jax.random.uniform(place_key, (trials, 2))).astype(jnp.int32)
    windows = jnp.concatenate([starts, starts + sides], 1)[:, jnp.array([1, 0, 3, 2])]
    good = acceptable(windows, targets, overlap, ratio) & (overlap < 1)
    first = good.argmax()
    start, side = starts[first], sides[first]

    canvas = image.images.shape[:2]
    inside = covered(side, jnp.zeros_like(side), canvas)
    pixels = jnp.where(inside[..., None], _window(image.images, start, (0, 1)), jnp.asarray(fill, image.images.dtype))
    masks = targets.masks
    if masks is not None:
        masks = jnp.where(inside[None], _window(masks, start, (1, 2)), jnp.zeros((), masks.dtype))
    boxes = clip_boxes_to_image(targets.boxes - jnp.tile(start[::-1], 2)[None], side)
    kept = keep(Targets(boxes, targets.labels, masks), _holds(windows[first][None], targets)[0])
    return choose(good.any(), (ImageList(pixels, side), kept), (image, targets))


def _window(array: jax.Array, start: jax.Array, axes: tuple[int, int]) -> jax.Array:
    """The array from ``start`` on, int32[2], along two axes, its last row and column repeated."""
    for axis, first in zip(axes, start, strict=True):
        length = array.shape[axis]
        array = jnp.take(array, jnp.minimum(jnp.arange(length) + first, length - 1), axis)
    return array
