"""Average pooling as PyTorch counts it."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError
from jaxdl.nn.windows import PerAxis, check_batch, output_sizes, per_axis, slide


def average_pool(
    x: jax.Array,
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> jax.Array:
    """The mean of each window, as ``torch.nn.functional.avg_pool1d``, ``2d`` and ``3d``.

    x: float[B, ..., C] with one to three spatial axes; returns float[B, ..., C], sizes as ``output_size`` has them.
    stride: the window's size if None, as in PyTorch; ``nn.avg_pool`` has 1.
    count_padding: PyTorch's ``count_include_pad``: whether zeros of the padding count in the mean. What ``ceil_mode``
    lets a window reach beyond the padding never counts.
    divisor: PyTorch's ``divisor_override``: sums are divided by it in place of the count.
    """
    axes = x.ndim - 2
    check_batch(x, min(max(axes, 1), 3))
    window = per_axis("window", window, axes, min=1)
    stride = window if stride is None else per_axis("stride", stride, axes, min=1)
    padding = per_axis("padding", padding, axes, min=0)
    for pad, wide in zip(padding, window, strict=True):
        if pad > wide // 2:
            raise UserError(f"padding must be at most half the window, got padding {padding} for window {window}.")
    if divisor == 0:
        raise UserError("divisor must not be 0.")
    sizes = output_sizes(x, window, stride, padding, (1,) * axes, ceil_mode)
    for axis in range(axes):
        size, wide, step, pad, places = x.shape[axis + 1], window[axis], stride[axis], padding[axis], sizes[axis]
        x = sum(slide(x, axis + 1, wide, step, pad, 1, places, fill=0))
        if divisor is None:
            start = np.arange(places) * step - pad
            end = np.minimum(start + wide, size + pad)
            counts = end - start if count_padding else np.minimum(end, size) - np.maximum(start, 0)
            x = x / jnp.asarray(counts, x.dtype).reshape([-1 if at == axis + 1 else 1 for at in range(x.ndim)])
    return x if divisor is None else x / divisor


def global_average_pool(x: jax.Array) -> jax.Array:
    """The mean over all spatial axes: float[B, ..., C] -> float[B, C], ``AdaptiveAvgPool2d(1)`` and ``Flatten``."""
    return x.mean(tuple(range(1, x.ndim - 1)))
