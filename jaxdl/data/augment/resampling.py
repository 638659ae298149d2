"""Resizes images, or windows of them: float images, or uint8, which is computed in float and rounded.

The two axes are separable, so that resizing is a product with one [out, in] matrix of weights per axis.
"""

from functools import partial
from numbers import Integral

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data.augment.arguments import check_images, height_width, number_pair
from jaxdl.errors import UserError, unknown

INTERPOLATIONS = ("bicubic", "bilinear", "nearest")
ATTEMPTS = 10  # of random_windows, as in torchvision


def resize(
    images: jax.Array, size: int | tuple[int, int], interpolation: str = "bilinear", antialias: bool = True
) -> jax.Array:
    """Resizes every image, as ``torchvision.transforms.Resize`` on tensors.

    size: (height, width), or the length of the shorter side, which keeps the aspect ratio. interpolation: "bilinear",
    "bicubic" or "nearest". antialias: when shrinking, average over all pixels in an output pixel; never "nearest".
    Raises UserError on another interpolation, or a size that is not positive.
    """
    check_images(images)
    height, width = images.shape[1:3]
    target = height_width("size", size)
    if isinstance(size, Integral):
        target = (size, size * width // height) if height <= width else (size * height // width, size)
    return resized_crop(images, 0, 0, height, width, target, interpolation, antialias)


def resized_crop(
    images: jax.Array,
    top: jax.typing.ArrayLike,
    left: jax.typing.ArrayLike,
    height: jax.typing.ArrayLike,
    width: jax.typing.ArrayLike,
    size: int | tuple[int, int],
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> jax.Array:
    """A window of every image, resized, as ``torchvision.transforms.functional.resized_crop``.

    top, left, height, width: in pixels, one whole number or int[B], also traced; the window lies within the image.
    size: (height, width), or one number for both. interpolation, antialias: as for ``resize``.
    Raises UserError on a window that leaves the image, where that is known while tracing.
    """
    check_images(images)
    if interpolation not in INTERPOLATIONS:
        raise unknown("interpolation", interpolation, INTERPOLATIONS)
    _check_inside("top", top, "height", height, images.shape[1])
    _check_inside("left", left, "width", width, images.shape[2])
    window = [jnp.asarray(value) for value in (top, left, height, width)]
    resample = partial(_resample, size=height_width("size", size), interpolation=interpolation, antialias=antialias)
    return jax.vmap(resample, in_axes=(0, [0 if value.ndim else None for value in window]))(images, window)


def random_resized_crop(
    key: jax.Array,
    images: jax.Array,
    size: int | tuple[int, int],
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> jax.Array:
    """A random window of each image, resized, as ``torchvision.transforms.RandomResizedCrop`` (Szegedy et al. 2015).

    size: (height, width), or one number for both. scale, ratio: as for ``random_windows``. interpolation, antialias: as
    for ``resize``. Raises what those two raise.
    """
    check_images(images)
    windows = random_windows(key, *images.shape[:3], scale=scale, ratio=ratio)
    return resized_crop(images, *windows, size, interpolation, antialias)


def random_scaled_crop(
    key: jax.Array,
    images: jax.Array,
    size: int | tuple[int, int],
    scale: tuple[float, float] = (0.5, 2.0),
    interpolation: str = "bilinear",
    antialias: bool = True,
    fill: float = 0.0,
) -> jax.Array:
    """Each image resized by a factor of its own, then a random window of it: what segmenters are trained on.

    size: (height, width) of the window, or one number for both. scale: the least and the largest factor, drawn
    uniformly. fill: the value below and to the right of an image that is smaller than the window.
    As ``RandomResize``, ``RandomCrop`` of torchvision's reference for segmentation, in one resampling: the window is
    found in the image as it was, in whole pixels. interpolation, antialias: as for ``resize``.
    Raises UserError where scale is not in order, or not positive.
    """
    check_images(images)
    size, scale = height_width("size", size), number_pair("scale", scale, low=np.finfo(np.float32).tiny)
    count, *sides, _ = images.shape
    factor_key, *place_keys = jax.random.split(key, 3)
    factor = jax.random.uniform(factor_key, (count,), minval=scale[0], maxval=scale[1])
    lengths = [jnp.maximum(jnp.round(length / factor), 1).astype(jnp.int32) for length in size]
    most = [round(length / scale[0]) + 1 for length in size]
    missing = [(0, max(largest - side, 0)) for largest, side in zip(most, sides, strict=True)]
    padded = jnp.pad(images, ((0, 0), *missing, (0, 0)), constant_values=fill)
    starts = [
        jax.random.randint(place_key, (count,), 0, jnp.maximum(side - length, 0) + 1)
        for place_key, side, length in zip(place_keys, sides, lengths, strict=True)
    ]
    return resized_crop(padded, *starts, *lengths, size, interpolation, antialias)


def random_windows(
    key: jax.Array,
    count: int,
    height: int,
    width: int,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The windows of ``random_resized_crop`` in images of height x width: top, left, height, width, int32[count] each.

    scale: the least and the largest area, as a share of the image's. ratio: the least and the largest width over
    height, its logarithm drawn uniformly. As ``torchvision.transforms.RandomResizedCrop.get_params``: a window that
    does not fit is drawn again, up to ten times; then it is the largest one in the middle.
    Raises UserError where a pair is not in order, or not positive.
    """
    scale = number_pair("scale", scale, low=0)
    ratio = number_pair("ratio", ratio, low=np.finfo(np.float32).tiny)
    area_key, ratio_key, top_key, left_key = jax.random.split(key, 4)
    tries = (count, ATTEMPTS)
    area = height * width * jax.random.uniform(area_key, tries, minval=scale[0], maxval=scale[1])
    aspect = jnp.exp(jax.random.uniform(ratio_key, tries, minval=np.log(ratio[0]), maxval=np.log(ratio[1])))
    heights = jnp.round(jnp.sqrt(area / aspect)).astype(jnp.int32)
    widths = jnp.round(jnp.sqrt(area * aspect)).astype(jnp.int32)
    fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)

    first, found = fits.argmax(1, keepdims=True), fits.any(1)
    middle_height = min(height, max(1, round(width / ratio[0])))
    middle_width = min(width, max(1, round(height * ratio[1])))
    window_height = jnp.where(found, jnp.take_along_axis(heights, first, 1)[:, 0], middle_height)
    window_width = jnp.where(found, jnp.take_along_axis(widths, first, 1)[:, 0], middle_width)
    top = jax.random.randint(top_key, (count,), 0, height - window_height + 1)
    left = jax.random.randint(left_key, (count,), 0, width - window_width + 1)
    top = jnp.where(found, top, (height - middle_height) // 2)
    left = jnp.where(found, left, (width - middle_width) // 2)
    return top, left, window_height, window_width


def _check_inside(start_name: str, start: object, length_name: str, length: object, available: int) -> None:
    if not isinstance(start, Integral) or not isinstance(length, Integral):
        return
    if start < 0 or length < 1 or start + length > available:
        raise UserError(
            f"{start_name} and {length_name} must be a window within the {available} pixels of the image, "
            f"got {start} and {length}."
        )


def _resample(
    image: jax.Array, window: list[jax.Array], *, size: tuple[int, int], interpolation: str, antialias: bool
) -> jax.Array:
    """The window (top, left, height, width) of one image [H, W, C] at ``size``, in the image's dtype."""
    top, left, height, width = window
    if interpolation == "nearest":
        return image[_nearest(top, height, size[0])][:, _nearest(left, width, size[1])]
    weights = partial(_weights, cubic=interpolation == "bicubic", antialias=antialias)
    rows = weights(top, height, image.shape[0], size[0])
    columns = weights(left, width, image.shape[1], size[1])
    # In full float32: the accelerators' faster default would keep about three digits of a pixel.
    contract = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    pixels = contract("oh,hwc->owc", rows, image.astype(jnp.float32))
    pixels = contract("ow,hwc->hoc", columns, pixels)
    if jnp.issubdtype(image.dtype, jnp.integer):
        limits = jnp.iinfo(image.dtype)
        pixels = jnp.clip(jnp.round(pixels), limits.min, limits.max)
    return pixels.astype(image.dtype)


def _nearest(start: jax.Array, length: jax.Array, count: int) -> jax.Array:
    """The pixel that each of ``count`` outputs takes, int32[count].

    In whole numbers: PyTorch's product in float32 falls short of some exact quotients and takes the pixel before.
    """
    return start + jnp.arange(count) * length // count


def _weights(
    start: jax.Array, length: jax.Array, available: int, count: int, *, cubic: bool, antialias: bool
) -> jax.Array:
    """Weight of each of ``available`` input pixels in each of ``count`` output pixels: float32[count, available].

    Positions are fractions over 2 * count; their numerators are kept whole, so that nothing is lost where a position
    is large and a distance small.
    """
    pixel = jnp.arange(available)[None] - start
    output = 2 * jnp.arange(count)[:, None] + 1
    if antialias:
        # PyTorch takes the cubic's parameter as -0.5 here, as Pillow does, and as -0.75 below.
        distance = ((2 * pixel + 1) * count - output * length) / (2 * jnp.maximum(length, count))
        weights = _cubic(distance, -0.5) if cubic else _triangle(distance)
        weights = jnp.where((pixel >= 0) & (pixel < length), weights, 0)
        return weights / weights.sum(1, keepdims=True)
    position = output * length - count
    below, fraction = position // (2 * count), (position % (2 * count)) / (2 * count)
    weights = jnp.zeros((count, available))
    for step in (-1, 0, 1, 2):
        weight = _cubic(step - fraction, -0.75) if cubic else _triangle(step - fraction)
        weights += jnp.where(pixel == jnp.clip(below + step, 0, length - 1), weight, 0)
    return weights


def _triangle(x: jax.Array) -> jax.Array:
    return jnp.maximum(1 - jnp.abs(x), 0)


def _cubic(x: jax.Array, a: float) -> jax.Array:
    """The interpolation kernel of Keys (1981) with the slope ``a`` at 1."""
    x = jnp.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return jnp.where(x < 1, near, jnp.where(x < 2, far, 0))
