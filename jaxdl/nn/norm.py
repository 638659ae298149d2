"""Batch norm with PyTorch's arguments and defaults, over linen's."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike


def batch_norm(
    *, train: bool, momentum: float = 0.1, epsilon: float = 1e-5, dtype: DTypeLike = jnp.float32
) -> Callable[..., nn.BatchNorm]:
    """``torch.nn.BatchNorm1d`` to ``3d`` for a whole network: a function of ``name`` that returns linen's layer.

    momentum: the weight of the batch in the running statistics, as PyTorch has it: linen's is 1 minus this.
    PyTorch's running variance is unbiased, linen's is not; what is computed in either mode is the same.
    """
    return partial(nn.BatchNorm, use_running_average=not train, momentum=1 - momentum, epsilon=epsilon, dtype=dtype)
