"""A small network that learns fast on a CPU: a whitened first layer and three stages of narrow convolutions."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import BatchNorm, Whiten, max_pool
from jaxdl.nn.initializers import lecun_normal


class QuickCNN(nn.Module):
    """After the CifarNet of Jordan (2024), narrowed and with one convolution less where pixels are many.

    Whitening of 2x2 patches; then stages of 3x3 convolutions, each halving the resolution after its first; the largest
    activation of each channel; a linear layer. 272,810 parameters with ten classes.

    widths, depths: channels and convolutions of the stages.
    """

    num_classes: int = 10
    widths: Sequence[int] = (16, 64, 128)
    depths: Sequence[int] = (1, 2, 2)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, 32, 32, 3]; returns float32[B, num_classes]."""
        x = nn.gelu(Whiten(dtype=self.dtype)(x))
        for features, depth in zip(self.widths, self.depths, strict=True):
            for layer in range(depth):
                x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=self.dtype, kernel_init=lecun_normal)(x)
                if layer == 0:
                    x = max_pool(x, 2)
                x = BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)
                x = nn.gelu(x)
        x = nn.Dense(self.num_classes, dtype=self.dtype, kernel_init=lecun_normal)(x.max((1, 2)))
        return x.astype(jnp.float32)
