"""Sums over all devices, and layers that act on the whole batch when each device has a part of it.

Under ``jax.pmap(step, axis_name=AXIS)`` each device runs the step on its share of the batch. Everywhere else, under
``jit`` over a mesh too, a step has the whole batch, and what is here changes nothing.
"""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

AXIS = "batch"


def psum(tree: Any) -> Any:
    """Sums each leaf over the devices that share the batch (``psum``); returns it unchanged where none do."""
    return jax.lax.psum(tree, AXIS) if shared() else tree


def all_gather(rows: jax.Array) -> jax.Array:
    """Gathers the rows of the whole batch, in order, from the devices that share it; unchanged where none do."""
    return jax.lax.all_gather(rows, AXIS, tiled=True) if shared() else rows


def shared() -> bool:
    """Whether the function being traced is one of several replicas, each with its share of a batch."""
    try:
        jax.lax.axis_size(AXIS)
    except NameError:
        return False
    return True


def whole_batch(mask: jax.Array | None) -> AbstractContextManager:
    """A context in which linen's batch norms and dropouts act in training as on the whole batch.

    Batch norm takes its statistics over the rows of all devices, without those where ``mask: bool[B]`` is False, as
    ``torch.nn.SyncBatchNorm``; dropout drops the same units as on one device. A batch norm with an ``axis_name`` of
    its own is left alone, and the mask where a layer's input has another number of rows.
    """
    if mask is None and not shared():
        return contextlib.nullcontext()

    def intercept(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        layer = context.module
        if context.method_name == "__call__" and len(args) == 1 and not kwargs:
            if isinstance(layer, nn.BatchNorm) and not layer.use_running_average and layer.axis_name is None:
                return _batch_norm(layer, *args, mask)
            if isinstance(layer, nn.Dropout) and shared() and layer.rate > 0 and not layer.deterministic:
                return _dropout(layer, call, *args)
        return call(*args, **kwargs)

    return nn.intercept_methods(intercept)


def _batch_norm(layer: nn.BatchNorm, x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Lets linen normalise by statistics that it takes for the running ones; these are then moved towards them."""
    axes = tuple(axis for axis in range(x.ndim) if axis != layer.axis % x.ndim)
    values = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    every = mask is None or len(mask) != len(x)
    counted = jnp.ones(len(x), values.dtype) if every else mask.astype(values.dtype)
    rows = counted.reshape(-1, *(1,) * (x.ndim - 1))
    sums = jnp.stack([(values * rows).sum(axes), (jnp.square(values) * rows).sum(axes)])
    count = counted.sum() * (x.size // (x.shape[0] * sums.shape[1]))
    sums, count = psum((sums, count))
    mean, squares = sums / count
    measured = {"mean": mean, "var": jnp.maximum(0.0, squares - jnp.square(mean))}
    correction = getattr(layer, "correction", 0)  # of ``jaxdl.nn.BatchNorm``
    unbiased = measured["var"] * (count / jnp.maximum(count - correction, 1))

    before = {name: layer.get_variable("batch_stats", name) for name in measured}
    for name, value in measured.items():
        layer.put_variable("batch_stats", name, value)
    evaluating = layer.clone(use_running_average=True, parent=layer, name=None)
    nn.share_scope(layer, evaluating)
    y = evaluating(x)
    for name, value in {**measured, "var": unbiased}.items():
        layer.put_variable("batch_stats", name, layer.momentum * before[name] + (1 - layer.momentum) * value)
    return y


def _dropout(layer: nn.Dropout, call: Callable, x: jax.Array) -> jax.Array:
    """Draws for the rows of all devices, as one device would, and uses this device's."""
    kept = call(jnp.ones((jax.lax.axis_size(AXIS) * len(x), *x.shape[1:]), x.dtype))
    own = jax.lax.dynamic_slice_in_dim(kept, jax.lax.axis_index(AXIS) * len(x), len(x))
    return jnp.where(own != 0, x / (1.0 - layer.rate), jnp.zeros_like(x))
