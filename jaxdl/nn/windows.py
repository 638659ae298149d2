"""The sliding window that convolution and pooling share: checks of its arguments, and the number of windows."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxdl.errors import UserError

PerAxis = int | Sequence[int]


def per_axis(name: str, value: PerAxis, axes: int, *, min: int) -> tuple[int, ...]:
    """One integer for each of ``axes`` spatial axes, each at least ``min``; a single integer stands for all."""
    values = (value,) * axes if isinstance(value, int | float) else tuple(value)
    if len(values) != axes:
        raise UserError(f"{name} must be an integer or {axes} of them, one for each spatial axis; got {value!r}.")
    if any(not isinstance(size, int) or size < min for size in values):
        raise UserError(f"{name} must be integers of at least {min}, got {value!r}.")
    return values


def check_batch(x: jax.Array, axes: int) -> None:
    """Raises UserError unless ``x`` is a batch with ``axes`` spatial axes and its channels last."""
    if x.ndim != axes + 2:
        layout = ", ".join(("batch", *"DHW"[max(3 - axes, 0) :], "channels"))
        raise UserError(f"x must have {axes + 2} axes [{layout}], got shape {x.shape}.")


def output_size(
    size: int, window: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Number of windows along an axis of ``size``, as in PyTorch's convolution and pooling.

    floor((size + 2 padding - dilation (window - 1) - 1) / stride) + 1. ``ceil_mode`` rounds up instead, but leaves out
    a window that would start beyond the input and its left padding. Below 1 where the window does not fit.
    """
    reach = size + 2 * padding - dilation * (window - 1) - 1
    if not ceil_mode:
        return reach // stride + 1
    places = -(-reach // stride) + 1
    return places - 1 if (places - 1) * stride >= size + padding else places


def output_sizes(
    x: jax.Array,
    window: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool = False,
) -> list[int]:
    """``output_size`` of each spatial axis of ``x: [B, ..., C]``; UserError where the window fits nowhere."""
    sizes = [
        output_size(size, wide, stride=step, padding=pad, dilation=spread, ceil_mode=ceil_mode)
        for size, wide, step, pad, spread in zip(x.shape[1:-1], window, stride, padding, dilation, strict=True)
    ]
    if min(sizes) < 1:
        raise UserError(
            f"window {tuple(window)} with dilation {tuple(dilation)} is larger than x of shape {x.shape} "
            f"with padding {tuple(padding)}."
        )
    return sizes


def slide(
    x: jax.Array, axis: int, window: int, stride: int, padding: int, dilation: int, places: int, *, fill: float
) -> list[jax.Array]:
    """Values at each position inside a sliding window: one array per position, of size ``places`` along ``axis``.

    ``x`` is padded with ``fill``, on the right as far as the last window reaches. ``places`` is the number of windows;
    the sum or maximum of the arrays pools along ``axis``.
    """
    reach = (places - 1) * stride + (window - 1) * dilation + 1
    edges = [(0, 0)] * x.ndim
    edges[axis] = (padding, max(reach - padding - x.shape[axis], 0))
    x = jnp.pad(x, edges, constant_values=fill)
    span = (places - 1) * stride + 1
    starts = range(0, window * dilation, dilation)
    return [jax.lax.slice_in_dim(x, start, start + span, stride, axis) for start in starts]
