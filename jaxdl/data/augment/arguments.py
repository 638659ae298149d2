"""Checks of the transforms' arguments: each function here raises a UserError that names the argument at fault.

Only what is known while tracing is checked: shapes, dtypes and Python numbers, never an array's values.
"""

from math import inf
from numbers import Integral, Real

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError


def check_images(images: jax.Array) -> None:
    """Raises unless images are an array [B, H, W, C]; by their shape, also where they are most likely [B, C, H, W]."""
    if not isinstance(images, np.ndarray | jax.Array):
        kind = type(images)
        raise UserError(
            f"images must be an array of NumPy or JAX, got {kind.__module__}.{kind.__name__}: see numpy.asarray."
        )
    if np.ndim(images) != 4:
        raise UserError(f"images must be [batch, height, width, channels], got the shape {np.shape(images)}.")
    _, height, width, channels = np.shape(images)
    if height in (1, 3) and width == channels > 4:
        raise UserError(
            f"images must be [batch, height, width, channels], got the shape {np.shape(images)}, as PyTorch has them: "
            "images.transpose(0, 2, 3, 1)."
        )


def check_pixels(images: jax.Array) -> None:
    """Raises unless images are uint8[B, H, W, C]."""
    check_images(images)
    if images.dtype != jnp.uint8:
        hint = ""
        if jnp.issubdtype(images.dtype, jnp.floating):
            hint = (
                " Networks take float images in [0, 1] as they are: leave augment and prepare out, or compose them of "
                "plain(standardize, mean=..., std=...)."
            )
        elif jnp.issubdtype(images.dtype, jnp.integer):
            hint = " Values from 0 to 255 are made so by images.astype(numpy.uint8)."
        raise UserError(f"images must be uint8 in [0, 255], got {images.dtype}.{hint}")


def check_float_images(images: jax.Array) -> None:
    """Raises unless images are float[B, H, W, C]."""
    check_images(images)
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(f"images must be float in [0, 1], got {images.dtype}; apply to_float first.")


def check_colors(images: jax.Array) -> None:
    """Raises unless images are float[B, H, W, 1] or float[B, H, W, 3]."""
    check_float_images(images)
    if images.shape[-1] not in (1, 3):
        raise UserError(f"images must have 1 or 3 channels, got {images.shape[-1]}.")


def check_within(name: str, value: object, low: float, high: float = inf) -> None:
    """Raises where ``value`` is a Python number outside [low, high]."""
    if isinstance(value, Real) and not low <= value <= high:
        raise UserError(f"{name} must be {_within(low, high)}, got {value}.")


def number_pair(name: str, value: object, low: float = -inf, high: float = inf) -> tuple[float, float]:
    """``value`` as two Python numbers; raises unless they are in order and in [low, high]."""
    pair = tuple(value) if isinstance(value, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(end, Real) for end in pair) or not low <= pair[0] <= pair[1] <= high:
        inside = f", {_within(low, high)}" if low > -inf else ""
        raise UserError(f"{name} must be two numbers, the smaller first{inside}, got {value!r}.")
    return pair


def height_width(name: str, value: object) -> tuple[int, int]:
    """``value``, a number for a square or a pair, as (height, width); raises unless both are whole and positive."""
    pair = (value, value) if isinstance(value, Integral) else tuple(value) if isinstance(value, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(side, Integral) and side > 0 for side in pair):
        raise UserError(f"{name} must be a positive whole number or two of them, (height, width), got {value!r}.")
    return pair


def per_image(name: str, value: jax.typing.ArrayLike, images: jax.Array) -> jax.Array:
    """``value``, one number or one an image, as float32[1 or B, 1, 1, 1]; raises on any other shape."""
    if np.shape(value) not in ((), images.shape[:1]):
        raise UserError(f"{name} must be one number or one an image, [{len(images)}], got the shape {np.shape(value)}.")
    return jnp.asarray(value, jnp.float32).reshape(-1, 1, 1, 1)


def _within(low: float, high: float) -> str:
    return f"{low:g} or more" if high == inf else f"between {low:g} and {high:g}"
