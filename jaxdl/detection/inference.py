"""Detection as one function of pictures, to be compiled whole."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.detection.image_list import Detected, ImageList
from jaxdl.detection.mask_pasting import paste_masks
from jaxdl.detection.resizing import resize, resize_boxes

MASK_THRESHOLD = 0.5  # probability from which on a pixel is the object's


def make_detect(
    model: nn.Module, *, mean: Sequence[float], std: Sequence[float]
) -> Callable[[Mapping[str, Any], ImageList, jax.Array, tuple[int, int]], Detected]:
    """``detect(variables, pictures, sizes, canvas) -> Detected``, in pixels of the pictures, masks bool[B, K, H, W].

    pictures: uint8[B, H, W, 3]. sizes, canvas: in which they are seen, of ``seen_sizes`` and ``canvas_of``.
    mean, std: of the channels in [0, 1]. Not jitted; under ``jit``, ``canvas`` is static.
    """

    def detect(
        variables: Mapping[str, Any], pictures: ImageList, sizes: jax.Array, canvas: tuple[int, int]
    ) -> Detected:
        found = model.apply(variables, normalised(pictures, sizes, canvas, mean=mean, std=std), train=False)
        return in_pictures(found, sizes, pictures)

    return detect


def normalised(
    pictures: ImageList, sizes: jax.Array, canvas: tuple[int, int], *, mean: Sequence[float], std: Sequence[float]
) -> ImageList:
    """The pictures, uint8 or float32 in [0, 1], normalised and then resized, with zeros around."""
    images = pictures.images
    if jnp.issubdtype(images.dtype, jnp.integer):
        images = images.astype(jnp.float32) / 255
    mean, std = (jnp.asarray(each, images.dtype).reshape(1, 1, 1, -1) for each in (mean, std))
    return resize(pictures.replace(images=(images - mean) / std), sizes, canvas)


def in_pictures(found: Detected, sizes: jax.Array, pictures: ImageList) -> Detected:
    """Detections in pictures that were seen in ``sizes``, in their own pixels; masks are pasted."""
    boxes, masks = resize_boxes(found.boxes, sizes, pictures.sizes), found.masks
    if masks is not None:
        whole = pictures.images.shape[1:3]
        masks = jax.vmap(lambda mask, box: paste_masks(mask, box, whole))(masks, boxes) >= MASK_THRESHOLD
    return found._replace(boxes=boxes, masks=masks)
