"""Mirrored pictures and objects."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_within
from jaxdl.detection.image_list import ImageList, Targets


def flip(key: jax.Array, images: ImageList, targets: Targets, probability: float = 0.5) -> tuple[ImageList, Targets]:
    """Each picture mirrored left to right with ``probability``, within its true width, and its objects with it.

    As ``RandomHorizontalFlip`` of torchvision's reference for detection. Raises UserError where probability is outside
    [0, 1].
    """
    check_within("probability", probability, 0, 1)
    keys = jax.random.split(key, len(images.sizes))
    return jax.vmap(partial(_flip, probability=probability))(keys, images, targets)


def _flip(key: jax.Array, image: ImageList, targets: Targets, *, probability: float) -> tuple[ImageList, Targets]:
    mirrored, width = jax.random.bernoulli(key, jnp.float32(probability)), image.sizes[1]
    columns = jnp.arange(image.images.shape[1])
    columns = jnp.where(mirrored & (columns < width), width - 1 - columns, columns)
    x1, y1, x2, y2 = targets.boxes.T
    opposite = jnp.stack([width - x2, y1, width - x1, y2], axis=1)
    boxes = jnp.where(mirrored & (targets.labels > 0)[:, None], opposite, targets.boxes)
    masks = None if targets.masks is None else targets.masks[:, :, columns]
    return image.replace(images=image.images[:, columns]), Targets(boxes, targets.labels, masks)
