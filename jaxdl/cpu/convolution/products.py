"""Convolutions whose kernel gradient is computed as matrix products, as fast in a loop as outside it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

CHANNELS_LAST = {3: ("NWC", "WIO", "NWC"), 4: ("NHWC", "HWIO", "NHWC"), 5: ("NDHWC", "DHWIO", "NDHWC")}
Pads = tuple[tuple[int, int], ...]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def convolution(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], pads: Pads, dilation: Sequence[int], precision: Any = None
) -> jax.Array:
    """The convolution of ``x: float[B, ..., C]`` with ``kernel: float[..., C, F]``.

    XLA computes the kernel gradient as a convolution of the input with the output's gradient, which on a CPU is
    some fifty times slower in the body of a loop than outside it. Here it is one product for each row of the kernel:
    the columns of the input that the row sees, side by side, with the output's gradient. It is exact.
    """
    return xla(x, kernel, strides, pads, dilation, precision)


def _forward(x: jax.Array, kernel: jax.Array, *rest: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return xla(x, kernel, *rest), (x, kernel)


def _backward(
    strides: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    precision: Any,
    kept: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    (by_x,) = jax.linear_transpose(lambda x: xla(x, kernel, strides, pads, dilation, precision), x)(gradient)
    return by_x, by_kernel(x, gradient, kernel, strides, pads, dilation, precision)


convolution.defvjp(_forward, _backward)


def xla(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], pads: Pads, dilation: Sequence[int], precision: Any
) -> jax.Array:
    """The same by XLA's own convolution."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        rhs_dilation=dilation,
        dimension_numbers=CHANNELS_LAST[x.ndim],
        precision=precision,
    )


def by_kernel(
    x: jax.Array,
    gradient: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    precision: Any,
) -> jax.Array:
    """The kernel gradient, given the output's ``gradient: float[B, ..., F]``."""
    *window, channels, features = kernel.shape
    places = gradient.shape[1:-1]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in pads), (0, 0, 0)])

    def seen(taps: Sequence[int]) -> jax.Array:
        """The input under that element of the kernel, at every place of the output: float[B, ..., C]."""
        starts = [tap * step for tap, step in zip(taps, dilation, strict=True)]
        ends = [start + (place - 1) * stride + 1 for start, place, stride in zip(starts, places, strides, strict=True)]
        return jax.lax.slice(x, (0, *starts, 0), (len(x), *ends, channels), (1, *strides, 1))

    flat = gradient.reshape(-1, features)
    rows = []
    for row in np.ndindex(*window[:-1]):
        columns = jnp.concatenate([seen((*row, column)) for column in range(window[-1])], axis=-1)
        product = jnp.matmul(
            columns.reshape(len(flat), -1).T,
            flat,
            precision=precision,
            preferred_element_type=jnp.promote_types(x.dtype, jnp.float32),
        )
        rows.append(product)
    return jnp.stack(rows).reshape(kernel.shape).astype(kernel.dtype)
