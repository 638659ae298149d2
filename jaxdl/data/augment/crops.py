"""Crops, shifts and cutout, without resizing; for images of any dtype, which is kept."""

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_images, check_within, height_width
from jaxdl.errors import UserError, unknown

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def center_crop(images: jax.Array, size: int | tuple[int, int]) -> jax.Array:
    """The center of every image; a smaller one is first padded with 0.

    size: (height, width), or one number for both. As ``torchvision.transforms.CenterCrop``, also where the margin is
    odd.
    """
    check_images(images)
    height, width = height_width("size", size)
    missing = [max(wanted - there, 0) for wanted, there in zip((height, width), images.shape[1:3], strict=True)]
    images = jnp.pad(images, ((0, 0), *((total // 2, total - total // 2) for total in missing), (0, 0)))
    # Python rounds a half to the even number, and so PyTorch's odd margins lie now before and now after the window.
    top, left = round((images.shape[1] - height) / 2), round((images.shape[2] - width) / 2)
    return images[:, top : top + height, left : left + width]


def random_crop(
    key: jax.Array,
    images: jax.Array,
    size: int | tuple[int, int],
    padding: int = 0,
    padding_mode: str = "constant",
    fill: float = 0,
) -> jax.Array:
    """A window of each image, every place equally likely, as ``torchvision.transforms.RandomCrop``.

    size: (height, width), or one number for both. padding: pixels added on every side beforehand. padding_mode: one of
    "constant", "edge", "reflect", "symmetric". fill: the value of "constant".
    Raises UserError where the window is larger than the padded image, or padding is negative.
    """
    check_images(images)
    check_within("padding", padding, 0)
    if padding_mode not in PADDING_MODES:
        raise unknown("padding_mode", padding_mode, PADDING_MODES)
    size = height_width("size", size)
    count, height, width, channels = images.shape
    spare = height + 2 * padding - size[0], width + 2 * padding - size[1]
    if min(spare) < 0:
        raise UserError(f"size {size} is larger than the images, {(height, width)} with {padding} pixels of padding.")
    edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    value = {"constant_values": fill} if padding_mode == "constant" else {}
    padded = jnp.pad(images, edges, mode=padding_mode, **value)
    top, left = jax.random.randint(key, (2, count), 0, jnp.array(spare).reshape(2, 1) + 1)

    def window(image, y, x):
        return jax.lax.dynamic_slice(image, (y, x, 0), (*size, channels))

    return jax.vmap(window)(padded, top, left)


def crop(key: jax.Array, images: jax.Array, padding: int = 4) -> jax.Array:
    """Each image shifted by up to ``padding`` pixels each way, the border filled by reflection.

    As ``torchvision.transforms.RandomCrop(size, padding, padding_mode="reflect")``; every shift is equally likely.
    Raises UserError where padding is negative.
    """
    check_images(images)
    return random_crop(key, images, images.shape[1:3], padding, "reflect")


def shift(images: jax.Array, down: int, right: int) -> jax.Array:
    """Every image moved by ``down`` and ``right`` pixels (negative: up, left), the border filled by reflection.

    As a window of ``torch.nn.functional.pad(..., mode="reflect")``. Raises UserError if a shift is not smaller than
    the image.
    """
    check_images(images)
    _, height, width, _ = images.shape
    if abs(down) >= height or abs(right) >= width:
        raise UserError(f"a shift must be by less than the image, {(height, width)}, got {(down, right)}.")
    y, x = abs(down), abs(right)
    padded = jnp.pad(images, ((0, 0), (y, y), (x, x), (0, 0)), mode="reflect")
    return padded[:, y - down : y - down + height, x - right : x - right + width]


def cutout(key: jax.Array, images: jax.Array, size: int = 8) -> jax.Array:
    """A square of ``size`` pixels set to 0 in each image (DeVries and Taylor 2017).

    Its centre is anywhere in the image, so that the square may reach over the border. Apply it after ``normalize``,
    where 0 is the mean. Raises UserError where size is negative.
    """
    check_images(images)
    check_within("size", size, 0)
    count, height, width, _ = images.shape
    y_key, x_key = jax.random.split(key)
    top = jax.random.randint(y_key, (count, 1), 0, height) - size // 2
    left = jax.random.randint(x_key, (count, 1), 0, width) - size // 2
    y, x = jnp.arange(height)[None], jnp.arange(width)[None]
    rows = (y >= top) & (y < top + size)
    columns = (x >= left) & (x < left + size)
    hole = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(hole, jnp.zeros((), images.dtype), images)
