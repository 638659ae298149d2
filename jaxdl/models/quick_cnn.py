"""A small network that learns fast on a CPU: a whitened first layer and three stages of narrow convolutions."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn.pool import max_pool_2x2
from jaxdl.nn.whitening import Whiten


class QuickCNN(nn.Module):
    """After the CifarNet of Jordan (2024), narrowed: whitening, then a stage a width, each halving the resolution.

    widths: channels of the stages.
    """

    num_classes: int = 10
    widths: Sequence[int] = (16, 32, 64)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, 32, 32, 3]; returns float32[B, num_classes]."""
        x = nn.gelu(Whiten(dtype=self.dtype)(x))
        for features in self.widths:
            x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=self.dtype)(x)
            x = max_pool_2x2(x)
            x = nn.gelu(nn.BatchNorm(not train, momentum=0.9, dtype=self.dtype)(x))
            x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=self.dtype)(x)
            x = nn.gelu(nn.BatchNorm(not train, momentum=0.9, dtype=self.dtype)(x))
        x = x.max((1, 2))
        x = nn.Dense(self.num_classes, use_bias=False, dtype=self.dtype)(x)
        return x.astype(jnp.float32)
