"""Transforms of images and what is drawn over them, by the same draw."""

import inspect
from collections.abc import Callable
from functools import partial

import jax

from jaxdl.errors import UserError
from jaxdl.masks import IGNORED


def jointly(
    *transforms: Callable[..., jax.Array], ignored: int = IGNORED
) -> Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """One transform ``(key, images, masks) -> (images, masks)`` of several ``(key, images) -> images``, in order.

    transforms: geometric ones: ``flip``, ``random_crop``, ``random_scaled_crop``, ``random_resized_crop``,
    ``random_rotation``, and ``partial`` of them. Each is given the images, and with the same key the masks: classes are
    taken from the nearest pixel, never mixed, and what comes into view is ``ignored``, whatever the images are filled
    with. masks: int[B, H, W], classes; as ``torchvision.transforms.v2`` treats ``tv_tensors.Mask``.
    Calling raises UserError where images and masks differ in size.
    """

    def transform(key: jax.Array, images: jax.Array, masks: jax.Array) -> tuple[jax.Array, jax.Array]:
        if masks.shape != images.shape[:3]:
            raise UserError(f"masks must have shape {images.shape[:3]}, that of the images, got {masks.shape}.")
        masks = masks[..., None]
        for index, each in enumerate(transforms):
            drawn = jax.random.fold_in(key, index)
            images, masks = each(drawn, images), _of_masks(each, ignored)(drawn, masks)
        return images, masks[..., 0]

    return transform


def _of_masks(transform: Callable[..., jax.Array], ignored: int) -> Callable[..., jax.Array]:
    """The same draw without mixing classes."""
    wanted = {"interpolation": "nearest", "fill": ignored, "padding_mode": "constant"}
    known = inspect.signature(transform).parameters
    return partial(transform, **{name: value for name, value in wanted.items() if name in known})
