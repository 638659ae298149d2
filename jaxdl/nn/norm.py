"""Batch norm with PyTorch's running variance, arguments and defaults."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


class BatchNorm(nn.BatchNorm):
    """``torch.nn.BatchNorm1d`` to ``3d``: linen's fields and variables, PyTorch's running variance and momentum.

    Of n values a channel, those of all devices, the running variance moves towards the unbiased estimate, the batch's
    times n / (n - 1); linen's moves towards the batch's own. What is computed in either mode is the same. A single
    value has no spread: the variance then moves towards 0 as linen's, where PyTorch raises.
    """

    momentum: float = 0.9  # that the running statistics keep: 1 - PyTorch's 0.1; linen's is 0.99
    correction: int = 1  # to n, as of ``torch.var``; linen's has none

    @nn.compact
    def __call__(
        self, x: jax.Array, use_running_average: bool | None = None, *, mask: jax.Array | None = None
    ) -> jax.Array:
        """x: float[B, ..., C]. mask: of the places that the statistics are taken of, of a shape that fits x's."""
        evaluating = nn.merge_param("use_running_average", self.use_running_average, use_running_average)
        moves = not evaluating and not self.is_initializing()
        before = self.get_variable("batch_stats", "var") if moves else None
        y = nn.BatchNorm.__call__.__wrapped__(self, x, use_running_average, mask=mask)  # seen by interceptors once
        if moves:
            axes = tuple(axis for axis in range(x.ndim) if axis != self.axis % x.ndim)
            count = x.size // x.shape[self.axis] if mask is None else jnp.broadcast_to(mask, x.shape).sum(axes)
            if self.axis_name is not None:
                count = jax.lax.psum(count, self.axis_name, axis_index_groups=self.axis_index_groups)
            kept, after = self.momentum * before, self.get_variable("batch_stats", "var")
            factor = (count / jnp.maximum(count - self.correction, 1)).astype(after.dtype)
            self.put_variable("batch_stats", "var", kept + factor * (after - kept))
        return y


def batch_norm(
    *, train: bool, momentum: float = 0.1, epsilon: float = 1e-5, dtype: DTypeLike = jnp.float32
) -> Callable[..., BatchNorm]:
    """``BatchNorm`` for a whole network: a function of ``name`` that returns the layer.

    momentum: the weight of the batch in the running statistics, as PyTorch has it: linen's is 1 minus this.
    """
    return partial(BatchNorm, use_running_average=not train, momentum=1 - momentum, epsilon=epsilon, dtype=dtype)


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics, scale and bias stay as they are, in training too, and are no parameters.

    ``torchvision.ops.FrozenBatchNorm2d``: ``scale``, ``bias``, ``mean`` and ``var`` are in the collection
    ``batch_stats``; they are 1, 0, 0 and 1 until weights are loaded.
    """

    epsilon: float = 1e-5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[B, ..., C]."""
        shape = x.shape[-1:]
        scale, bias, mean, var = (
            self.variable("batch_stats", name, value, shape, jnp.float32).value
            for name, value in (("scale", jnp.ones), ("bias", jnp.zeros), ("mean", jnp.zeros), ("var", jnp.ones))
        )
        factor = scale * jax.lax.rsqrt(var + self.epsilon)
        factor, shift = (
            each.astype(self.dtype).reshape((1,) * (x.ndim - 1) + shape) for each in (factor, bias - mean * factor)
        )
        return x.astype(self.dtype) * factor + shift
