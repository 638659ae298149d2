"""Which object each anchor or proposal is to tell of."""

import jax
import jax.numpy as jnp

from jaxdl.detection.boxes import box_iou

BACKGROUND, BETWEEN = -1, -2  # of an anchor far from every object, and of one neither far nor near


def match(
    objects: jax.Array,
    there: jax.Array,
    boxes: jax.Array,
    *,
    high: float,
    low: float,
    low_quality: bool = False,
) -> jax.Array:
    """The object of each box, int32[N]: the one of the largest IoU, if that is at least ``high``.

    ``BACKGROUND`` where it is less than ``low``, ``BETWEEN`` where it is between the two.
    objects: float[M, 4]. there: bool[M], False of rows that only fill up. boxes: float[N, 4].
    low_quality: an object's best boxes are matched however small their IoU, each to the object that it fits best.
    torchvision's ``Matcher``.
    """
    iou = jnp.where(there[:, None], box_iou(objects, boxes), -1.0)
    nearest, quality = jnp.argmax(iou, 0).astype(jnp.int32), iou.max(0)
    found = jnp.where(quality < low, BACKGROUND, jnp.where(quality < high, BETWEEN, nearest))
    if low_quality:
        best = iou.max(1, keepdims=True)
        found = jnp.where(((iou == best) & there[:, None]).any(0), nearest, found)
    return found
