"""Rotates images about their centre: float images, or uint8, which is rounded."""

from functools import partial
from numbers import Real

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from jaxdl.data.augment.arguments import check_images, check_within, number_pair, per_image
from jaxdl.errors import unknown

ORDERS = {"nearest": 0, "bilinear": 1}


def rotate(
    images: jax.Array, degrees: jax.typing.ArrayLike, interpolation: str = "nearest", fill: float = 0.0
) -> jax.Array:
    """Rotates every image counter-clockwise by ``degrees``, one number or float[B], keeping its size.

    interpolation: "nearest" or "bilinear". fill: the value of what lies outside of the image. As
    ``torchvision.transforms.functional.rotate``; but there "bilinear" with a fill that is given, even 0, weighs a pixel
    on the border twice, which darkens it.
    Raises UserError on another interpolation, or degrees of another shape.
    """
    check_images(images)
    if interpolation not in ORDERS:
        raise unknown("interpolation", interpolation, ORDERS)
    count, height, width, _ = images.shape
    angle = jnp.deg2rad(per_image("degrees", degrees, images))[..., 0]
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    y = jnp.arange(height).reshape(1, -1, 1) - (height - 1) / 2
    x = jnp.arange(width).reshape(1, 1, -1) - (width - 1) / 2
    rows = sine * x + cosine * y + (height - 1) / 2
    columns = cosine * x - sine * y + (width - 1) / 2
    places = jnp.broadcast_to(jnp.stack([rows, columns], 1), (count, 2, height, width))

    sample = partial(map_coordinates, order=ORDERS[interpolation], mode="constant", cval=fill)
    each_channel = jax.vmap(sample, in_axes=(-1, None), out_axes=-1)
    return jax.vmap(each_channel)(images, places)


def random_rotation(
    key: jax.Array,
    images: jax.Array,
    degrees: float | tuple[float, float],
    interpolation: str = "nearest",
    fill: float = 0.0,
) -> jax.Array:
    """Rotates each image by its own angle, drawn uniformly, as ``torchvision.transforms.RandomRotation``.

    degrees: the least and the largest angle, or d for (-d, d). interpolation, fill: as for ``rotate``.
    Raises UserError where d is negative or the pair is not in order, and what ``rotate`` raises.
    """
    check_images(images)
    check_within("degrees", degrees, 0)
    low, high = number_pair("degrees", (-degrees, degrees) if isinstance(degrees, Real) else degrees)
    angles = jax.random.uniform(key, images.shape[:1], minval=low, maxval=high)
    return rotate(images, angles, interpolation, fill)
