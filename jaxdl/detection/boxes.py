"""Boxes as arrays: their areas, how much they overlap, other ways to write them, and clipping.

A box is (x1, y1, x2, y2), in pixels from the left and the top of the picture; arrays of boxes are float[..., N, 4].
Functions with PyTorch's names are torchvision's of that name.
"""

import jax
import jax.numpy as jnp

from jaxdl.errors import unknown

FORMATS = ("xyxy", "xywh", "cxcywh")
EPSILON = 1e-7


def box_area(boxes: jax.Array) -> jax.Array:
    """The area of each box: float[..., 4] -> float[...]."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_iou(boxes: jax.Array, others: jax.Array) -> jax.Array:
    """Intersection over union of each two: float[..., N, 4] and float[..., M, 4] -> float[..., N, M].

    0 of two boxes without area, of which torchvision's is NaN.
    """
    inner, union = _inner_and_union(boxes, others)
    return _divided(inner, union)


def generalized_box_iou(boxes: jax.Array, others: jax.Array) -> jax.Array:
    """``box_iou`` less the share of the smallest box around both that is in neither (Rezatofighi et al. 2019)."""
    inner, union = _inner_and_union(boxes, others)
    around = _product(_around(boxes, others))
    return _divided(inner, union) - _divided(around - union, around)


def distance_box_iou(boxes: jax.Array, others: jax.Array, epsilon: float = EPSILON) -> jax.Array:
    """``box_iou`` less the squared distance of the centres over that of the farthest corners (Zheng et al. 2020)."""
    sides = _around(boxes, others)
    diagonal = jnp.square(sides).sum(-1) + epsilon
    centres, theirs = ((each[..., :2] + each[..., 2:]) / 2 for each in (boxes, others))
    distance = jnp.square(centres[..., :, None, :] - theirs[..., None, :, :]).sum(-1)
    return box_iou(boxes, others) - distance / diagonal


def complete_box_iou(boxes: jax.Array, others: jax.Array, epsilon: float = EPSILON) -> jax.Array:
    """``distance_box_iou`` less a measure of how the aspect ratios differ, whose weight has no gradient (the same)."""
    iou, distance = box_iou(boxes, others), distance_box_iou(boxes, others, epsilon)
    angle, theirs = map(_angle, (boxes, others))
    ratios = 4 / jnp.pi**2 * jnp.square(angle[..., :, None] - theirs[..., None, :])
    weight = jax.lax.stop_gradient(ratios / (1 - iou + ratios + epsilon))
    return distance - weight * ratios


def box_convert(boxes: jax.Array, in_fmt: str, out_fmt: str) -> jax.Array:
    """Boxes written another way: as corners (xyxy), corner and size (xywh), or centre and size (cxcywh).

    Raises UserError for an unknown format.
    """
    for each in (in_fmt, out_fmt):
        if each not in FORMATS:
            raise unknown("format of boxes", each, FORMATS)
    first, second = boxes[..., :2], boxes[..., 2:]
    if in_fmt == "xywh":
        second = first + second
    elif in_fmt == "cxcywh":
        first, second = first - second / 2, first + second / 2
    if out_fmt == "xywh":
        second = second - first
    elif out_fmt == "cxcywh":
        first, second = (first + second) / 2, second - first
    return jnp.concatenate([first, second], axis=-1)


def clip_boxes_to_image(boxes: jax.Array, size: jax.typing.ArrayLike) -> jax.Array:
    """The part of each box within the picture. size: (height, width), or int[..., 2] of as many pictures."""
    height, width = jnp.moveaxis(jnp.asarray(size, boxes.dtype), -1, 0)
    most = jnp.stack([width, height, width, height], axis=-1)
    return jnp.clip(boxes, 0, most[..., None, :])


def large_enough(boxes: jax.Array, min_size: float) -> jax.Array:
    """Whether both sides of each box are at least ``min_size``: bool[..., N]. torchvision's ``remove_small_boxes``."""
    return ((boxes[..., 2:] - boxes[..., :2]) >= min_size).all(-1)


def _inner_and_union(boxes: jax.Array, others: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Areas of what each two share, and of what they cover: float[..., N, M] twice."""
    first = jnp.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    last = jnp.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    inner = _product(jnp.maximum(last - first, 0))
    return inner, box_area(boxes)[..., :, None] + box_area(others)[..., None, :] - inner


def _around(boxes: jax.Array, others: jax.Array) -> jax.Array:
    """Sides of the smallest box around each two: float[..., N, M, 2]."""
    first = jnp.minimum(boxes[..., :, None, :2], others[..., None, :, :2])
    last = jnp.maximum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    return jnp.maximum(last - first, 0)


def _angle(boxes: jax.Array) -> jax.Array:
    """Of each box's diagonal to the vertical: float[..., N]. 0 of a point, where the arc tangent has no gradient."""
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return jnp.arctan2(width, jnp.where((width == 0) & (height == 0), 1, height))


def _product(sides: jax.Array) -> jax.Array:
    return sides[..., 0] * sides[..., 1]


def _divided(part: jax.Array, whole: jax.Array) -> jax.Array:
    """0 where the whole is nothing, with gradients of 0 there too."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0)
