"""Depthwise convolutions as sums of shifted images, each multiplied by one of the kernel's taps.

XLA's own run channel by channel on a CPU; products and sums of whole images are fused into one loop over all of them.
Gradients are such sums too: JAX would derive others, in which XLA computes what the gradient is made of once for each
tap, and moves an image for each.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

MOST_TAPS = 49  # of a kernel, each a term of the sum that is compiled
ROWS = (4, 3, 5, 2, 7, 1)  # added up before all others in the gradient by the kernel: the first that divides the height

Pads = Sequence[tuple[int, int]]


def suits(x: jax.Array, kernel: jax.Array, pads: Pads, spread: Sequence[int], groups: int) -> bool:
    """Whether each channel has a small kernel of its own, and one feature, and there are outputs."""
    *window, inputs, features = kernel.shape
    if len(window) != 2 or inputs != 1 or not groups == features == x.shape[-1] or math.prod(window) > MOST_TAPS:
        return False
    sides = zip(x.shape[1:3], window, pads, spread, strict=True)
    reached = all(side + sum(pad) > (taps - 1) * step for side, taps, pad, step in sides)
    return reached and x.size > 0 and all(pad >= 0 for each in pads for pad in each)


def convolution(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], pads: Pads, spread: Sequence[int]
) -> jax.Array:
    """``jax.lax.conv_general_dilated`` of x: float[B, H, W, C] with kernel: float[h, w, 1, C] in C groups.

    strides, pads, spread (the dilation of the kernel): of height and width. Numbers of 16 bits are summed in 32.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    y = _convolution(x.astype(wide), kernel.astype(wide)[:, :, 0], tuple(strides), tuple(pads), tuple(spread))
    return y.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolution(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, ...], pads: Pads, spread: tuple[int, ...]
) -> jax.Array:
    return _forward(x, kernel, strides, pads, spread)[0]


def _forward(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, ...], pads: Pads, spread: tuple[int, ...]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    sides = zip(padded.shape[1:3], kernel.shape, spread, strides, strict=False)
    size = [(side - (taps - 1) * step - 1) // stride + 1 for side, taps, step, stride in sides]
    terms = [seen * kernel[tap][None, None, None] for tap, seen in _seen(padded, kernel, size, strides, spread)]
    return sum(terms[1:], terms[0]), (padded, kernel)


def _seen(
    padded: jax.Array, kernel: jax.Array, size: Sequence[int], strides: Sequence[int], spread: Sequence[int]
) -> Iterator[tuple[tuple[int, int], jax.Array]]:
    """Each tap of the kernel, and what it sees at every place of the output: float[B, *size, C]."""
    for tap in np.ndindex(*kernel.shape[:2]):
        first = [at * step for at, step in zip(tap, spread, strict=True)]
        last = [at + (length - 1) * stride + 1 for at, length, stride in zip(first, size, strides, strict=True)]
        yield tap, jax.lax.slice(padded, (0, *first, 0), (len(padded), *last, padded.shape[-1]), (1, *strides, 1))


def _backward(
    strides: tuple[int, ...],
    pads: Pads,
    spread: tuple[int, ...],
    kept: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    padded, kernel = kept
    sides = [side - sum(pad) for side, pad in zip(padded.shape[1:3], pads, strict=True)]
    by_input = _by_input(kernel, gradient, sides, strides, pads, spread)
    return by_input, _by_kernel(padded, kernel, gradient, strides, spread)


def _by_kernel(
    padded: jax.Array, kernel: jax.Array, gradient: jax.Array, strides: Sequence[int], spread: Sequence[int]
) -> jax.Array:
    """float[h, w, C]: of each tap the sum over all places of the gradient times what it saw."""
    _, height, width, channels = gradient.shape
    rows = next(count for count in ROWS if height % count == 0)
    sums = []
    for _, seen in _seen(padded, kernel, (height, width), strides, spread):
        some = sum(seen[:, row::rows] * gradient[:, row::rows] for row in range(rows)).reshape(-1, channels)
        sums.append(jnp.ones((1, len(some)), some.dtype) @ some)  # XLA would merge a sum with the one before, and crawl
    return jnp.concatenate(sums).reshape(kernel.shape)


def _by_input(
    kernel: jax.Array,
    gradient: jax.Array,
    sides: Sequence[int],
    strides: Sequence[int],
    pads: Pads,
    spread: Sequence[int],
) -> jax.Array:
    """float[B, *sides, C]: at each place of the input the sum over the taps that saw it.

    Those are the same at places that lie a stride apart: of such places together they are shifted gradients.
    """
    counts = [-(-side // stride) for side, stride in zip(sides, strides, strict=True)]
    lows = [low for low, _ in pads]
    shifts = list(map(_shifts, kernel.shape[:2], spread, strides, lows))
    reach = [[shift for first in axis for _, shift in first] for axis in shifts]
    around = [
        (max(0, -min(reached)), max(0, max(reached) + count - length))
        for reached, count, length in zip(reach, counts, gradient.shape[1:3], strict=True)
    ]
    gradient = jnp.pad(gradient, ((0, 0), *around, (0, 0)))

    def shifted(down: int, right: int) -> jax.Array:
        top, left = down + around[0][0], right + around[1][0]
        return gradient[:, top : top + counts[0], left : left + counts[1]]

    nothing = jnp.zeros((len(gradient), *counts, gradient.shape[-1]), gradient.dtype)
    rows = []
    for of_rows in shifts[0]:
        columns = []
        for of_columns in shifts[1]:
            terms = [
                shifted(down, right) * kernel[i, j][None, None, None] for i, down in of_rows for j, right in of_columns
            ]
            columns.append(sum(terms[1:], terms[0]) if terms else nothing)
        rows.append(_alternating(columns, axis=2))
    return _alternating(rows, axis=1)[:, : sides[0], : sides[1]]


def _shifts(taps: int, step: int, stride: int, low: int) -> list[list[tuple[int, int]]]:
    """Along an axis, for the first places of the input up to a stride: the taps that see it, and how far away it is
    from the output's place, in strides."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(stride)]
    for first in range(stride):
        for tap in range(taps):
            away, rest = divmod(low + first - tap * step, stride)
            if not rest:
                found[first].append((tap, away))
    return found


def _alternating(parts: Sequence[jax.Array], axis: int) -> jax.Array:
    """The first of each part along the axis, then the second of each, and so on."""
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] *= len(parts)
    return jnp.stack(parts, axis + 1).reshape(shape)


_convolution.defvjp(_forward, _backward)
