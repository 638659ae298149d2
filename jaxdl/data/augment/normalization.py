"""uint8 pixels to the floats that a network reads."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_float_images, check_pixels
from jaxdl.errors import UserError


def to_float(images: jax.Array) -> jax.Array:
    """uint8 in [0, 255] to float32 in [0, 1], as torchvision's ``ToTensor``, without its change of layout.

    Raises UserError on any other dtype, float images too, which would be scaled twice.
    """
    check_pixels(images)
    return images.astype(jnp.float32) / 255


def standardize(images: jax.Array, mean: Sequence[float], std: Sequence[float]) -> jax.Array:
    """``(images - mean) / std`` for float images, as ``torchvision.transforms.Normalize``.

    mean, std: one value a channel, or one for all. Raises UserError on any other number, on a std that is not positive,
    and on integer images; use ``normalize`` for those.
    """
    check_float_images(images)
    _check_channels(images, mean=mean, std=std)
    if not all(value > 0 for value in std):
        raise UserError(f"std must be positive, got {tuple(std)}.")
    return (images - _channels(jnp.asarray(mean, images.dtype))) / _channels(jnp.asarray(std, images.dtype))


def normalize(images: jax.Array, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)) -> jax.Array:
    """uint8 in [0, 255] to float32: ``(images / 255 - mean) / std``.

    ``to_float`` and ``standardize`` in one multiplication and one subtraction. mean, std: one value a channel, or one
    for all. Raises UserError on any other dtype, float images too, which would be scaled twice.
    """
    check_pixels(images)
    _check_channels(images, mean=mean, std=std)
    mean, std = jnp.asarray(mean, jnp.float32), jnp.asarray(std, jnp.float32)
    scale = 1.0 / (255.0 * std)
    return images.astype(jnp.float32) * _channels(scale) - _channels(mean / std)


def _check_channels(images: jax.Array, **given: Sequence[float]) -> None:
    for name, values in given.items():
        if len(values) not in (1, images.shape[-1]):
            raise UserError(f"{name} must be 1 value or {images.shape[-1]}, one a channel, got {len(values)}.")


def _channels(values: jax.Array) -> jax.Array:
    return values.reshape(1, 1, 1, -1)
