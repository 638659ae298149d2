"""Composition of transforms, and what is left to do after them."""

from collections.abc import Callable

import jax

from jaxdl.detection.augment.placement import keep
from jaxdl.detection.boxes import clip_boxes_to_image, large_enough
from jaxdl.detection.image_list import ImageList, Targets

Augment = Callable[[jax.Array, ImageList, Targets], tuple[ImageList, Targets]]


def compose(*transforms: Augment) -> Augment:
    """The transforms one after another, each with a key of its own; arguments are bound with ``functools.partial``::

    transform = compose(photometric_distort, iou_crop, partial(flip, probability=0.5))
    images, targets = transform(key, images, targets)
    targets = sanitize(targets, images.sizes)
    """

    def transform(key: jax.Array, images: ImageList, targets: Targets) -> tuple[ImageList, Targets]:
        for index, each in enumerate(transforms):
            images, targets = each(jax.random.fold_in(key, index), images, targets)
        return images, targets

    return transform


def sanitize(targets: Targets, sizes: jax.Array, min_size: float = 1.0) -> Targets:
    """Objects within pictures of ``sizes``, int32[B, 2]: boxes are clipped, and those with a shorter side removed.

    min_size: pixels that a box has at least on each side. As ``torchvision.transforms.v2``'s ``ClampBoundingBoxes``,
    ``SanitizeBoundingBoxes``. An object that is removed is of label 0.
    """
    boxes = clip_boxes_to_image(targets.boxes, sizes)
    return keep(targets._replace(boxes=boxes), large_enough(boxes, min_size))
