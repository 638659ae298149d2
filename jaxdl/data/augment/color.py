"""Brightness, contrast, saturation and hue of float images in [0, 1] with one or three channels.

As torchvision's functions on float tensors. An amount is one number, or float[B] for one an image.
"""

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_colors, check_within, per_image
from jaxdl.errors import UserError

LUMINANCE = (0.2989, 0.587, 0.114)  # ITU-R BT.601, with torchvision's digits


def grayscale(images: jax.Array, channels: int = 1) -> jax.Array:
    """The luminance of every image in one channel, or the same in three, as ``torchvision.transforms.Grayscale``.

    Raises UserError where channels is neither 1 nor 3.
    """
    check_colors(images)
    if channels not in (1, 3):
        raise UserError(f"channels must be 1 or 3, got {channels}.")
    if images.shape[-1] == 3:
        # Not a sum over the axis: XLA's for the CPU is several times slower over so short a one.
        images = sum(weight * images[..., n : n + 1] for n, weight in enumerate(LUMINANCE))
    return jnp.broadcast_to(images, (*images.shape[:3], channels))


def adjust_brightness(images: jax.Array, factor: jax.typing.ArrayLike) -> jax.Array:
    """Every pixel times ``factor``, kept in [0, 1]: 0 is black, 1 the image itself.

    Raises UserError where factor is negative.
    """
    return _blend(images, jnp.zeros((), images.dtype), factor)


def adjust_contrast(images: jax.Array, factor: jax.typing.ArrayLike) -> jax.Array:
    """Every image's distance from its mean luminance times ``factor``, kept in [0, 1]: 0 is grey, 1 the image itself.

    Raises UserError where factor is negative.
    """
    return _blend(images, grayscale(images).mean((1, 2, 3), keepdims=True), factor)


def adjust_saturation(images: jax.Array, factor: jax.typing.ArrayLike) -> jax.Array:
    """Every pixel's distance from its luminance times ``factor``, kept in [0, 1]: 0 is grey, 1 the image itself.

    An image of one channel stays as it is. Raises UserError where factor is negative.
    """
    return _blend(images, grayscale(images), factor)


def adjust_hue(images: jax.Array, shift: jax.typing.ArrayLike) -> jax.Array:
    """Every hue moved by ``shift`` turns of the colour circle, in [-0.5, 0.5]; value and saturation stay.

    An image of one channel stays as it is. Raises UserError where shift is outside [-0.5, 0.5].
    """
    check_colors(images)
    check_within("shift", shift, -0.5, 0.5)
    shift = per_image("shift", shift, images).astype(images.dtype)
    if images.shape[-1] == 1:
        return images
    red, green, blue = images[..., :1], images[..., 1:2], images[..., 2:]
    high, low = images.max(-1, keepdims=True), images.min(-1, keepdims=True)
    chroma = high - low
    divisor = jnp.where(chroma > 0, chroma, 1)  # grey has no hue; any will do, but for 0 / 0 and its gradient
    # Not by whether a channel is ``high``: XLA may compute the two apart, and then their last digits differ.
    sixths = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) / divisor,
        jnp.where(green >= blue, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    # A channel lies below the highest by as much of the chroma as its own hue is away, from one sixth to two.
    position = sixths + 6 * shift + jnp.asarray((5, 3, 1), images.dtype).reshape(1, 1, 1, 3)
    position -= 6 * jnp.floor(position / 6)  # % 6, which on a CPU is a call for every element
    return high - chroma * jnp.clip(jnp.minimum(position, 4 - position), 0, 1)


def _blend(images: jax.Array, other: jax.Array, factor: jax.typing.ArrayLike) -> jax.Array:
    check_colors(images)
    check_within("factor", factor, 0)
    factor = per_image("factor", factor, images).astype(images.dtype)
    return jnp.clip(factor * images + (1 - factor) * other, 0, 1)
