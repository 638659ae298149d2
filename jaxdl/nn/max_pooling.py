"""Max pooling as PyTorch has it, its gradient quick on CPU, where XLA scatters that of ``nn.max_pool`` one by one."""

import math

import jax
import jax.numpy as jnp

from jaxdl.errors import UserError
from jaxdl.nn.windows import PerAxis, check_batch, output_sizes, per_axis, slide


def max_pool(
    x: jax.Array,
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> jax.Array:
    """The largest value in each window, as ``torch.nn.functional.max_pool1d``, ``2d`` and ``3d``.

    x: float[B, ..., C] with one to three spatial axes; returns float[B, ..., C], sizes as ``output_size`` has them.
    stride: the window's size if None, as in PyTorch; ``nn.max_pool`` has 1.
    padding: never the largest; at most half the window, as in PyTorch.
    Of equal values the first, row by row, takes the whole gradient; a NaN is larger than anything.
    """
    axes = x.ndim - 2
    window, stride, padding, dilation = _arguments(x, window, stride, padding, dilation)
    plain = window == stride == (2, 2) and padding == (0, 0) and dilation == (1, 1)
    if plain and not ceil_mode and min(x.shape[1:-1]) >= 2:
        return max_pool_2x2(x)
    sizes = output_sizes(x, window, stride, padding, dilation, ceil_mode)
    for axis in reversed(range(axes)):
        along = (window[axis], stride[axis], padding[axis], dilation[axis], sizes[axis])
        best, *others = slide(x, axis + 1, *along, fill=_least(x))
        for value in others:
            best = jnp.where(_wins(value, best), value, best)
        x = best
    return x


def max_pool_with_indices(
    x: jax.Array,
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """``max_pool`` and where each value was: PyTorch's ``return_indices=True``.

    indices: int32[B, ..., C], positions in the flattened spatial axes of ``x``, ``row * W + column`` in two dimensions.
    The numbers are PyTorch's, with the channels last.
    """
    axes = x.ndim - 2
    window, stride, padding, dilation = _arguments(x, window, stride, padding, dilation)
    sizes = output_sizes(x, window, stride, padding, dilation, ceil_mode)
    spatial = x.shape[1:-1]
    indices = jnp.arange(math.prod(spatial), dtype=jnp.int32).reshape(1, *spatial, 1)
    indices = jnp.broadcast_to(indices, x.shape)
    for axis in reversed(range(axes)):
        along = (window[axis], stride[axis], padding[axis], dilation[axis], sizes[axis])
        best, *values = slide(x, axis + 1, *along, fill=_least(x))
        place, *places = slide(indices, axis + 1, *along, fill=-1)
        for value, at in zip(values, places, strict=True):
            wins = _wins(value, best) | (place < 0)  # padding loses even against the least of values
            best, place = jnp.where(wins, value, best), jnp.where(wins, at, place)
        x, indices = best, place
    return x, indices


def max_unpool(x: jax.Array, indices: jax.Array, output_size: PerAxis) -> jax.Array:
    """Each value put back where ``max_pool_with_indices`` found it, 0 elsewhere, as ``torch.nn.MaxUnpool2d``.

    x, indices: [B, ..., C] of one shape; output_size: the spatial axes of what was pooled.
    Returns float[B, *output_size, C]. Where windows overlapped, one of the values for the same place is kept. An index
    beyond ``output_size`` is ignored; PyTorch raises.
    """
    if x.shape != indices.shape:
        raise UserError(f"indices must have the shape of x, {x.shape}; got {indices.shape}.")
    size = per_axis("output_size", output_size, x.ndim - 2, min=1)
    batch, channels = x.shape[0], x.shape[-1]
    flat = jnp.zeros((batch, math.prod(size), channels), x.dtype)
    rows = jnp.arange(batch)[:, None, None]
    columns = jnp.arange(channels)[None, None, :]
    places = indices.reshape(batch, -1, channels)
    flat = flat.at[rows, places, columns].set(x.reshape(batch, -1, channels), mode="drop")
    return flat.reshape(batch, *size, channels)


@jax.custom_vjp
def max_pool_2x2(x: jax.Array) -> jax.Array:
    """The largest of each 2x2 square: float[B, H, W, C] -> float[B, H // 2, W // 2, C].

    Value and gradient are those of ``nn.max_pool(x, (2, 2), strides=(2, 2))`` and ``torch.nn.MaxPool2d(2)`` bit for
    bit: an odd last row or column is left out, and of equal values the first, row by row, takes the whole gradient.
    """
    return _forward(x)[0]


def _forward(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    a, b, c, d = _corners(x)
    y = jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))
    return y, (x, y)


def _backward(saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array]:
    x, y = saved
    a, b, c, _ = (corner == y for corner in _corners(x))
    winner = jnp.where(a, 0, jnp.where(b, 1, jnp.where(c, 2, 3)))
    place = jnp.arange(4).reshape(1, 1, 2, 1, 2, 1)
    dx = jnp.where(winner[:, :, None, :, None] == place, dy[:, :, None, :, None], 0)
    batch, height, width, channels = x.shape
    rows, columns = height // 2 * 2, width // 2 * 2
    dx = dx.reshape(batch, rows, columns, channels)
    return (jnp.pad(dx, ((0, 0), (0, height - rows), (0, width - columns), (0, 0))),)


def _corners(x: jax.Array) -> list[jax.Array]:
    rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return [x[:, y:rows:2, z:columns:2] for y in (0, 1) for z in (0, 1)]


max_pool_2x2.defvjp(_forward, _backward)


def _arguments(x: jax.Array, window: PerAxis, stride: PerAxis | None, padding: PerAxis, dilation: PerAxis):
    axes = x.ndim - 2
    check_batch(x, min(max(axes, 1), 3))
    window = per_axis("window", window, axes, min=1)
    stride = window if stride is None else per_axis("stride", stride, axes, min=1)
    padding = per_axis("padding", padding, axes, min=0)
    dilation = per_axis("dilation", dilation, axes, min=1)
    for pad, wide, spread in zip(padding, window, dilation, strict=True):
        if pad > (spread * (wide - 1) + 1) // 2:
            raise UserError(f"padding must be at most half the window, got padding {padding} for window {window}.")
    return window, stride, padding, dilation


def _wins(value: jax.Array, best: jax.Array) -> jax.Array:
    return (value > best) | jnp.isnan(value)


def _least(x: jax.Array) -> float | int:
    return -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
