"""The course's CIFAR-10 network: three 5x5 convolutions, two linear layers, no activation between them."""

from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, Dense, flatten, max_pool


class CifarCNN(nn.Module):
    """Convolution 3-32, 32-32, 32-64, each followed by 2x2 max pooling; linear 1024-64-classes. 145,578 parameters.

    The same function as the course's ``Sequential``, initialised from the same distributions. PyTorch flattens [C, H,
    W] and this [H, W, C], so its first linear layer's columns stand in another order here.

    flattened, pytorch_names: what ``transfer.conversion`` needs to read that ``Sequential``'s weights.
    """

    num_classes: int = 10
    dtype: DTypeLike = jnp.float32

    flattened = MappingProxyType({"Dense_0": (4, 4, 64)})
    pytorch_names = MappingProxyType({"Conv_0": "0", "Conv_1": "2", "Conv_2": "4", "Dense_0": "7", "Dense_1": "8"})

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, 32, 32, 3]; returns float32[B, num_classes]. No layer depends on ``train``."""
        for features in (32, 32, 64):
            x = Conv(features, (5, 5), padding=2, dtype=self.dtype)(x)
            x = max_pool(x, 2)
        x = Dense(64, dtype=self.dtype)(flatten(x))
        x = Dense(self.num_classes, dtype=self.dtype)(x)
        return x.astype(jnp.float32)
