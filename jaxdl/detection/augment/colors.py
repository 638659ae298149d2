"""Random colours, of the part that is picture."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_within, number_pair
from jaxdl.data.augment.color import adjust_brightness, adjust_hue, adjust_saturation, grayscale
from jaxdl.detection.augment.placement import as_pixels, covered
from jaxdl.detection.image_list import ImageList, Targets


def photometric_distort(
    key: jax.Array,
    images: ImageList,
    targets: Targets,
    brightness: tuple[float, float] = (0.875, 1.125),
    contrast: tuple[float, float] = (0.5, 1.5),
    saturation: tuple[float, float] = (0.5, 1.5),
    hue: tuple[float, float] = (-0.05, 0.05),
    probability: float = 0.5,
) -> tuple[ImageList, Targets]:
    """Each picture's brightness, contrast, saturation, hue and order of channels changed, each with ``probability``.

    brightness, contrast, saturation: the least and the largest factor. hue: the least and the largest shift. Images of
    one or three channels. As ``torchvision.transforms.v2.RandomPhotometricDistort`` (Liu et al. 2016, SSD): contrast
    comes, by a fair draw, before or after saturation and hue. uint8 is computed in float and rounded once, where
    torchvision rounds after each.
    Raises UserError where probability is outside [0, 1], a factor negative, a hue outside [-0.5, 0.5], or a pair not in
    order.
    """
    check_within("probability", probability, 0, 1)
    factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    ranges = [number_pair(name, pair, 0) for name, pair in factors.items()] + [number_pair("hue", hue, -0.5, 0.5)]
    count, *canvas, channels = images.images.shape
    draw = partial(_draw, ranges=ranges, channels=channels, probability=probability)
    (bright, before, saturate, shift, after), order = jax.vmap(draw, out_axes=(1, 0))(jax.random.split(key, count))

    most = 255 if jnp.issubdtype(images.images.dtype, jnp.integer) else 1
    inside = jax.vmap(covered, (0, None, None))(images.sizes, jnp.zeros(2, jnp.int32), tuple(canvas))[..., None]
    pixels = adjust_brightness(images.images.astype(jnp.float32) / most, bright)
    pixels = _adjust_contrast(pixels, before, inside)
    pixels = adjust_saturation(pixels, saturate)
    pixels = jnp.where((shift != 0).reshape(-1, 1, 1, 1), adjust_hue(pixels, shift), pixels)
    pixels = _adjust_contrast(pixels, after, inside)
    pixels = jax.vmap(lambda image, order: image[..., order])(pixels, order)
    pixels = as_pixels(pixels * most, images.images.dtype)
    return images.replace(images=jnp.where(inside, pixels, images.images)), targets


def _draw(
    key: jax.Array, *, ranges: list[tuple[float, float]], channels: int, probability: float
) -> tuple[jax.Array, jax.Array]:
    """Amounts of brightness, contrast, saturation, hue, contrast: float32[5]; and the order of the channels."""
    amount_key, done_key, before_key, order_key = jax.random.split(key, 4)
    low, high = jnp.asarray(ranges, jnp.float32).T
    done = jax.random.bernoulli(done_key, jnp.float32(probability), (5,))
    amounts = jax.random.uniform(amount_key, (4,), minval=low, maxval=high)
    nothing = jnp.asarray([1.0, 1, 1, 0])
    bright, contrast, saturate, shift = jnp.where(done[:4], amounts, nothing)
    before = jax.random.bernoulli(before_key)
    order = jnp.where(done[4], jax.random.permutation(order_key, channels), jnp.arange(channels))
    return jnp.stack([bright, jnp.where(before, contrast, 1), saturate, shift, jnp.where(before, 1, contrast)]), order


def _adjust_contrast(images: jax.Array, factor: jax.Array, inside: jax.Array) -> jax.Array:
    """``adjust_contrast`` around the mean luminance of what is ``inside``."""
    factor = factor.reshape(-1, 1, 1, 1)
    mean = grayscale(images).mean((1, 2, 3), keepdims=True, where=inside)
    return jnp.clip(factor * images + (1 - factor) * mean, 0, 1)
