"""Convolutions of small kernels with a quarter of the multiplications (Lavin and Gray 2016)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.cpu.convolution.toom_cook import matrices

TILE = 4  # outputs a side
TAPS = (3, 5)
Pads = tuple[tuple[int, int], tuple[int, int]]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution(x: jax.Array, kernel: jax.Array, pads: Pads, precision: Any = None) -> jax.Array:
    """The convolution of ``x: float[B, H, W, C]`` with ``kernel: float[h, w, C, F]``, h and w of ``TAPS``, stride 1.

    A tile of 4x4 outputs takes 36 products where a 3x3 kernel has 144, and 64 where a 5x5 kernel has 400; so do the
    gradients. In float32 the result differs from the sum written out by some 3e-6 of the largest value for 3x3, and
    for 5x5 by 5e-6, the kernel gradient by 2e-5. pads: at most h - 1 and w - 1 on each side.
    """
    return _convolved(x, kernel, pads, precision)


def tiles(size: Sequence[int], window: Sequence[int], pads: Pads) -> tuple[int, int]:
    """Numbers of tiles down and across an image of ``size``."""
    down, across = (-(-side // TILE) for side in places(size, window, pads))
    return down, across


def places(size: Sequence[int], window: Sequence[int], pads: Pads) -> tuple[int, int]:
    """Numbers of outputs down and across."""
    sides = zip(size, window, pads, strict=True)
    down, across = (side + low + high - taps + 1 for side, taps, (low, high) in sides)
    return down, across


def _forward(x: jax.Array, kernel: jax.Array, pads: Pads, precision: Any) -> tuple[jax.Array, tuple]:
    return _convolved(x, kernel, pads, precision), (x, kernel)


def _backward(
    pads: Pads, precision: Any, kept: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    opposite = tuple((taps - 1 - low, taps - 1 - high) for taps, (low, high) in zip(kernel.shape, pads, strict=False))
    by_x = _convolved(gradient, jnp.flip(kernel, (0, 1)), opposite, precision, transposed=True)
    return by_x, _by_kernel(x, gradient, kernel.shape, pads, precision)


convolution.defvjp(_forward, _backward)


def _convolved(x: jax.Array, kernel: jax.Array, pads: Pads, precision: Any, *, transposed: bool = False) -> jax.Array:
    """transposed: the kernel is float[h, w, F, C]."""
    rows, columns = (matrices(TILE, taps) for taps in kernel.shape[:2])
    shape = x.shape[1:3], kernel.shape[:2], pads
    (height, width), counts = places(*shape), tiles(*shape)
    seen = _tiles(x, rows.inputs, columns.inputs, counts, [low for low, _ in pads])
    taps = np.kron(rows.kernel, columns.kernel).astype(kernel.dtype)
    weights = jnp.matmul(taps, kernel.reshape(taps.shape[1], -1), precision="highest")
    weights = weights.reshape(len(rows.kernel), len(columns.kernel), *kernel.shape[2:])
    contracted = ((2,), (2 if transposed else 1,)), ((0,), (0,))
    lines = []
    for one, other in zip(seen, weights, strict=True):
        product = jax.lax.dot_general(one, other, contracted, precision=precision)
        product = product.reshape(len(product), len(x), *counts, -1)
        lines.append(_interleaved(_combined(columns.outputs.T, product), axis=2))
    return _interleaved(_combined(rows.outputs.T, lines), axis=1)[:, :height, :width]


def _by_kernel(x: jax.Array, gradient: jax.Array, shape: Sequence[int], pads: Pads, precision: Any) -> jax.Array:
    """float[h, w, C, F]; gradient: float[B, ..., F], by the outputs."""
    rows, columns = (matrices(TILE, taps) for taps in shape[:2])
    counts = tiles(x.shape[1:3], shape[:2], pads)
    seen = _tiles(x, rows.inputs, columns.inputs, counts, [low for low, _ in pads])
    wanted = _tiles(gradient, rows.outputs, columns.outputs, counts, [0, 0])
    over_places = ((1,), (1,)), ((0,), (0,))
    lines = [jax.lax.dot_general(*pair, over_places, precision=precision) for pair in zip(seen, wanted, strict=True)]
    taps = np.kron(rows.kernel, columns.kernel).astype(x.dtype)
    return jnp.matmul(taps.T, jnp.concatenate(lines).reshape(len(taps), -1), precision="highest").reshape(shape)


def _tiles(
    x: jax.Array, by_rows: np.ndarray, by_columns: np.ndarray, counts: Sequence[int], before: Sequence[int]
) -> list[jax.Array]:
    """The elements of ``by_rows @ tile @ by_columns.T`` for every tile: float[columns, B * tiles, C] for each row.

    Tiles begin every ``TILE`` places, the first ``before`` the image, in zeros.
    """
    sides = [TILE * (count - 1) + matrix.shape[1] for count, matrix in zip(counts, (by_rows, by_columns), strict=True)]
    around = [(low, side - low - size) for low, side, size in zip(before, sides, x.shape[1:3], strict=True)]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in around), (0, 0, 0)])

    def spread(x: jax.Array, matrix: np.ndarray, axis: int) -> list[jax.Array]:
        length = matrix.shape[1]
        last = x.shape[axis] - length
        every = [jax.lax.slice_in_dim(x, at, at + last + 1, TILE, axis) for at in range(length)]
        return _combined(matrix, every)

    return [
        jnp.stack([part.reshape(-1, x.shape[3]) for part in spread(line, by_columns, 2)])
        for line in spread(x, by_rows, 1)
    ]


def _combined(matrix: np.ndarray, parts: Sequence[jax.Array]) -> list[jax.Array]:
    """``matrix @ parts``, written out, so that XLA makes each sum in one pass over the parts that it has."""
    sums = []
    for row in matrix.tolist():
        terms = [part if factor == 1 else factor * part for factor, part in zip(row, parts, strict=True) if factor]
        sums.append(sum(terms[1:], start=terms[0]))
    return sums


def _interleaved(parts: Sequence[jax.Array], axis: int) -> jax.Array:
    """One array whose elements along ``axis`` are the first of each part, then the second of each, and so on."""
    shape = parts[0].shape
    return jnp.stack(parts, axis + 1).reshape(*shape[:axis], shape[axis] * len(parts), *shape[axis + 1 :])
