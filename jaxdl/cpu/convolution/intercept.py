"""Choice of the algorithm for each of linen's convolutions."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.cpu.convolution import dense, depthwise, products, winograd

LEAST_REUSE = 440  # products a number moved, below which moving tiles costs what they save: those of 3x3, 49 channels
LEAST_TILES = 64  # below which moving the kernel does
LEAST_PRODUCTS = 1e8  # of the whole convolution, below which compiling costs more than most runs would win back


class Conditions(NamedTuple):
    """Conditions under which a step is traced; see ``tracing``."""

    plain: bool = False
    looped: bool = False
    divided: bool = False


NONE = Conditions()
_conditions: ContextVar[Conditions] = ContextVar("conditions", default=NONE)


def fast() -> AbstractContextManager:
    """A context in which a step traced for a CPU uses the fast algorithms for linen's convolutions.

    3x3 kernels between some 50 channels or more, and 5x5 kernels between some 18, become Winograd's
    (``winograd.convolution``) where they have no stride and the batch is not too small; traced as ``looped`` the others
    take their kernel's gradient as products. Those of images smaller than the kernel become one product
    (``dense.convolution``), and depthwise ones sums of products by element (``depthwise.convolution``), the plain ones
    too. Layers with a convolution of their own are left alone.
    """
    if jax.default_backend() != "cpu":
        return contextlib.nullcontext()

    def intercept(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        layer = context.module
        if (
            context.method_name != "__call__"
            or not isinstance(layer, nn.Conv)
            or layer.conv_general_dilated is not None
        ):
            return call(*args, **kwargs)
        way = partial(_convolution, conditions=_conditions.get())
        twin = layer.clone(conv_general_dilated=way, parent=layer, name="fast")
        nn.share_scope(layer, twin)
        return twin(*args, **kwargs)

    return nn.intercept_methods(intercept)


@contextlib.contextmanager
def tracing(**conditions: bool) -> Iterator[None]:
    """A context for tracing steps under further conditions, of which those that are set already stay.

    looped: as the body of a loop, where XLA's own gradient with respect to a kernel is some fifty times slower on a
    CPU. divided: of a batch divided among devices: without Winograd's convolutions, for whose gradients the devices
    would exchange four times as much. plain: with XLA's own convolutions, on a CPU too, but of the smallest images.
    """
    before = _conditions.set(_conditions.get()._replace(**conditions))
    try:
        yield
    finally:
        _conditions.reset(before)


def _convolution(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
    conditions: Conditions,
) -> jax.Array:
    """Replacement for ``jax.lax.conv_general_dilated`` in linen's convolutions."""
    window, strides = kernel.shape[:-2], tuple(strides)
    spread = tuple(rhs_dilation or (1,) * len(window))
    if isinstance(padding, str):
        reach = [(taps - 1) * step + 1 for taps, step in zip(window, spread, strict=True)]
        padding = jax.lax.padtype_to_pads(x.shape[1:-1], reach, strides, padding)
    pads = tuple((int(low), int(high)) for low, high in padding)
    exotic = feature_group_count != 1 or any(factor != 1 for factor in lhs_dilation or ())
    ones = (1,) * len(window)
    if not exotic and strides == spread == ones:
        if dense.suits(x, kernel, pads):
            return dense.convolution(x, kernel, pads, precision)
        if not (conditions.divided or conditions.plain) and _suits_winograd(x, kernel, pads):
            return winograd.convolution(x, kernel, pads, precision)
    undilated = all(factor == 1 for factor in lhs_dilation or ())
    if undilated and depthwise.suits(x, kernel, pads, spread, feature_group_count):
        return depthwise.convolution(x, kernel, strides, pads, spread)
    if conditions.looped and not exotic and not conditions.plain:
        return products.convolution(x, kernel, strides, pads, spread, precision)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        precision=precision,
    )


def _suits_winograd(x: jax.Array, kernel: jax.Array, pads: winograd.Pads) -> bool:
    *window, channels, features = kernel.shape
    if (
        len(window) != 2
        or x.dtype not in (jnp.float32, jnp.float64)
        or any(taps not in winograd.TAPS for taps in window)
        or not all(0 <= pad < taps for taps, sides in zip(window, pads, strict=True) for pad in sides)
    ):
        return False
    tiles = math.prod(winograd.tiles(x.shape[1:3], window, pads))
    if len(x) * tiles < LEAST_TILES:
        return False
    used = math.prod(winograd.places(x.shape[1:3], window, pads)) / (tiles * winograd.TILE**2)
    # By whole steps the share counts twice: what is left over at the edge is moved, and then multiplied, for nothing.
    reuse = used**2 * math.prod(window) * 2 * channels * features / (channels + features)
    return reuse >= LEAST_REUSE and x.size * kernel.size // channels >= LEAST_PRODUCTS
