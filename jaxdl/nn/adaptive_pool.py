"""Adaptive pooling, to a given output size; windows are of unequal width where it does not divide the input's."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.nn.windows import PerAxis, check_batch, per_axis


def adaptive_average_pool(x: jax.Array, output_size: PerAxis) -> jax.Array:
    """The mean of each window, as ``torch.nn.functional.adaptive_avg_pool1d``, ``2d`` and ``3d``.

    x: float[B, ..., C]; returns float[B, *output_size, C]. Window i of n along an axis of ``size`` reaches from
    floor(i size / n) to ceil((i + 1) size / n). One product with a small matrix an axis.
    """
    for axis, (starts, ends) in _windows(x, output_size):
        place = np.arange(x.shape[axis])
        inside = (place[:, None] >= starts) & (place[:, None] < ends)
        weights = jnp.asarray(inside / (ends - starts), x.dtype)  # [size, n]
        x = jnp.tensordot(x, weights, axes=(axis, 0), precision=jax.lax.Precision.HIGHEST)
        x = jnp.moveaxis(x, -1, axis)
    return x


def adaptive_max_pool(x: jax.Array, output_size: PerAxis) -> jax.Array:
    """The largest value of each window, as ``torch.nn.functional.adaptive_max_pool1d``, ``2d`` and ``3d``.

    x: float[B, ..., C]; returns float[B, *output_size, C]. Windows are those of ``adaptive_average_pool``; of equal
    values the first, row by row, takes the whole gradient.
    """
    for axis, (starts, ends) in reversed(_windows(x, output_size)):
        # windows padded to the widest by repeating their last place, which never comes first among equals
        places = np.minimum(starts[:, None] + np.arange((ends - starts).max()), ends[:, None] - 1)
        windows = jnp.take(x, places, axis=axis)  # [..., n, widest, ...]
        first = jnp.argmax(windows, axis=axis + 1, keepdims=True)
        x = jnp.take_along_axis(windows, first, axis=axis + 1).squeeze(axis + 1)
    return x


def _windows(x: jax.Array, output_size: PerAxis) -> list[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    axes = x.ndim - 2
    check_batch(x, min(max(axes, 1), 3))
    counts = per_axis("output_size", output_size, axes, min=1)
    bounds = []
    for axis, count in enumerate(counts, start=1):
        steps, size = np.arange(count), x.shape[axis]
        bounds.append((axis, (steps * size // count, -(-(steps + 1) * size // count))))
    return bounds
