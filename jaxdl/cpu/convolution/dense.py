"""Convolutions of images smaller than their kernel, as one product with a matrix from all places to all places."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

MOST_PAIRS = 16  # of an input's and an output's place: those of 2x2 to 2x2, where each output sees every input
Pads = tuple[tuple[int, int], ...]


def convolution(x: jax.Array, kernel: jax.Array, pads: Pads, precision: Any = None) -> jax.Array:
    """The convolution of ``x: float[B, ..., C]`` with ``kernel: float[..., C, F]``, stride 1.

    XLA exchanges image and kernel where the latter is larger, and then takes a hundred times as long on a CPU. This is
    exact, and so are its gradients.
    """
    window, (channels, features), size = kernel.shape[:-2], kernel.shape[-2:], x.shape[1:-1]
    outputs = places(size, window, pads)
    seen = _seen(size, outputs, window, pads).astype(kernel.dtype)
    taps = np.flatnonzero(seen.any(0))  # the others touch no image, whatever they are
    matrix = jnp.matmul(seen[:, taps], kernel.reshape(len(seen.T), -1)[taps], precision="highest")
    matrix = matrix.reshape(math.prod(size), math.prod(outputs), channels, features).swapaxes(1, 2)
    y = jnp.matmul(x.reshape(len(x), -1), matrix.reshape(x[0].size, -1), precision=precision)
    return y.reshape(len(x), *outputs, features)


def suits(x: jax.Array, kernel: jax.Array, pads: Pads) -> bool:
    """Whether the image is smaller than the kernel, and the matrix not much larger than that."""
    window, size = kernel.shape[:-2], x.shape[1:-1]
    outputs = places(size, window, pads)
    some = x.size > 0 and all(side > 0 for side in outputs)
    return some and math.prod(window) > math.prod(size) and math.prod(outputs) * math.prod(size) <= MOST_PAIRS


def places(size: Sequence[int], window: Sequence[int], pads: Pads) -> tuple[int, ...]:
    """Numbers of outputs along each axis."""
    return tuple(side + sum(pad) - taps + 1 for side, taps, pad in zip(size, window, pads, strict=True))


def _seen(size: Sequence[int], outputs: Sequence[int], window: Sequence[int], pads: Pads) -> np.ndarray:
    """[inputs * outputs, taps]: 1 where that output sees that input through that element of the kernel."""
    seen = np.zeros((*size, *outputs, *window))
    for output in np.ndindex(*outputs):
        for taps in np.ndindex(*window):
            place = tuple(o + tap - low for o, tap, (low, _) in zip(output, taps, pads, strict=True))
            if all(0 <= at < side for at, side in zip(place, size, strict=True)):
                seen[(*place, *output, *taps)] = 1
    return seen.reshape(-1, math.prod(window))
