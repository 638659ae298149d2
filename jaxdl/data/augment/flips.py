"""Mirrored images, of any dtype."""

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_images, check_within


def mirror(images: jax.Array) -> jax.Array:
    """Flips every image left to right, as ``torchvision.transforms.functional.hflip``."""
    check_images(images)
    return images[:, :, ::-1]


def upside_down(images: jax.Array) -> jax.Array:
    """Flips every image top to bottom, as ``torchvision.transforms.functional.vflip``."""
    check_images(images)
    return images[:, ::-1]


def flip(key: jax.Array, images: jax.Array, p: float = 0.5) -> jax.Array:
    """Flips each image left to right with probability ``p``, as ``torchvision.transforms.RandomHorizontalFlip``.

    Raises UserError where p is outside [0, 1].
    """
    return _some(key, images, mirror(images), p)


def flip_vertical(key: jax.Array, images: jax.Array, p: float = 0.5) -> jax.Array:
    """Flips each image top to bottom with probability ``p``, as ``torchvision.transforms.RandomVerticalFlip``.

    Raises UserError where p is outside [0, 1].
    """
    return _some(key, images, upside_down(images), p)


def _some(key: jax.Array, images: jax.Array, flipped: jax.Array, p: float) -> jax.Array:
    check_within("p", p, 0, 1)
    chosen = jax.random.bernoulli(key, jnp.float32(p), (images.shape[0], 1, 1, 1))
    return jnp.where(chosen, flipped, images)
