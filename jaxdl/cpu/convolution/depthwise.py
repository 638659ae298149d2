"""Depthwise convolutions as sums of shifted images, each multiplied by one of the kernel's taps.

XLA's own run channel by channel on a CPU; products and sums of whole images are fused into one loop over all of them.
Gradients are those of the sums.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

MOST_TAPS = 49  # of a kernel, each a term of the sum that is compiled


def suits(x: jax.Array, kernel: jax.Array, pads: Sequence[tuple[int, int]], spread: Sequence[int], groups: int) -> bool:
    """Whether each channel has a small kernel of its own, and one feature, and there are outputs."""
    *window, inputs, features = kernel.shape
    if len(window) != 2 or inputs != 1 or not groups == features == x.shape[-1] or math.prod(window) > MOST_TAPS:
        return False
    sides = zip(x.shape[1:3], window, pads, spread, strict=True)
    reached = all(side + sum(pad) > (taps - 1) * step for side, taps, pad, step in sides)
    return reached and x.size > 0 and all(pad >= 0 for each in pads for pad in each)


def convolution(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    spread: Sequence[int],
) -> jax.Array:
    """``jax.lax.conv_general_dilated`` of x: float[B, H, W, C] with kernel: float[h, w, 1, C] in C groups.

    strides, pads, spread (the dilation of the kernel): of height and width. Numbers of 16 bits are summed in 32.
    """
    taps, dtype = kernel.shape[:2], x.dtype
    if dtype.itemsize < 4:
        x, kernel = x.astype(jnp.float32), kernel.astype(jnp.float32)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    sizes = [
        (length - (count - 1) * step - 1) // stride + 1
        for length, count, step, stride in zip(x.shape[1:3], taps, spread, strides, strict=True)
    ]
    terms = []
    for down in range(taps[0]):
        for right in range(taps[1]):
            first = (0, down * spread[0], right * spread[1], 0)
            last = (
                len(x),
                *(at + (size - 1) * stride + 1 for at, size, stride in zip(first[1:3], sizes, strides, strict=True)),
                x.shape[-1],
            )
            terms.append(jax.lax.slice(x, first, last, (1, *strides, 1)) * kernel[down, right, None, None])
    return sum(terms[1:], terms[0]).astype(dtype)
