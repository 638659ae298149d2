"""Batched image transforms, keyed where random; they run inside jit, on uint8 or float images alike.

Images are [B, H, W, C]. Each image of a batch draws its own randomness.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp


def mirror(images: jax.Array) -> jax.Array:
    """Every image left to right."""
    return images[:, :, ::-1]


def flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Each image mirrored with probability one half, as ``torchvision.transforms.RandomHorizontalFlip``."""
    chosen = jax.random.bernoulli(key, shape=(images.shape[0], 1, 1, 1))
    return jnp.where(chosen, mirror(images), images)


def crop(key: jax.Array, images: jax.Array, padding: int = 4) -> jax.Array:
    """Each image shifted by up to ``padding`` pixels each way, the border filled by reflection.

    As ``torchvision.transforms.RandomCrop(size, padding, padding_mode="reflect")``; every shift is equally likely.
    """
    count, height, width, _ = images.shape
    edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = jnp.pad(images, edges, mode="reflect")
    top, left = jax.random.randint(key, (2, count), 0, 2 * padding + 1)

    def window(image, y, x):
        return jax.lax.dynamic_slice(image, (y, x, 0), (height, width, image.shape[-1]))

    return jax.vmap(window)(padded, top, left)


def cutout(key: jax.Array, images: jax.Array, size: int = 8) -> jax.Array:
    """A square of ``size`` pixels set to 0 in each image (DeVries and Taylor 2017).

    Its centre is anywhere in the image, so that the square may reach over the border. Apply it after ``normalize``,
    where 0 is the mean.
    """
    count, height, width, _ = images.shape
    y_key, x_key = jax.random.split(key)
    top = jax.random.randint(y_key, (count, 1), 0, height) - size // 2
    left = jax.random.randint(x_key, (count, 1), 0, width) - size // 2
    y, x = jnp.arange(height)[None], jnp.arange(width)[None]
    rows = (y >= top) & (y < top + size)
    columns = (x >= left) & (x < left + size)
    hole = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(hole, jnp.zeros((), images.dtype), images)


def normalize(images: jax.Array, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)) -> jax.Array:
    """uint8 in [0, 255] to float32: scaled to [0, 1], less ``mean``, over ``std``.

    As torchvision's ``ToTensor`` followed by ``Normalize(mean, std)``. mean, std: one value a channel, or one for all.
    """
    mean, std = jnp.asarray(mean, jnp.float32), jnp.asarray(std, jnp.float32)
    scale = 1.0 / (255.0 * std)
    return images.astype(jnp.float32) * _channels(scale) - _channels(mean / std)


def pipeline(
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    flip_images: bool = False,
    crop_padding: int = 0,
    cutout_size: int = 0,
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The usual training transform, ``(key, images: uint8) -> float32``: flip, crop, normalise, cutout.

    Each but normalising is left out unless asked for.
    """

    def transform(key: jax.Array, images: jax.Array) -> jax.Array:
        flip_key, crop_key, cutout_key = jax.random.split(key, 3)
        if flip_images:
            images = flip(flip_key, images)
        if crop_padding:
            images = crop(crop_key, images, crop_padding)
        images = normalize(images, mean, std)
        if cutout_size:
            images = cutout(cutout_key, images, cutout_size)
        return images

    return transform


def _channels(values: jax.Array) -> jax.Array:
    return values.reshape(1, 1, 1, -1)
