"""SqueezeNet (Iandola et al. 2016): 1x1 convolutions squeeze the channels before 3x3 ones expand them.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import unknown
from jaxdl.nn import Conv, global_average_pool, initializers, max_pool

# channels squeezed to, and expanded to by each of the two convolutions; "pool" where the resolution is halved
LAYERS = {
    "1_0": ("pool", 16, 16, 32, "pool", 32, 48, 48, 64, "pool", 64),
    "1_1": ("pool", 16, 16, "pool", 32, 32, "pool", 48, 48, 64, 64),
}


class Fire(nn.Module):
    """A 1x1 convolution to ``squeezed`` channels, then a 1x1 and a 3x3 one side by side, of four times as many each."""

    squeezed: int
    conv: partial

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        expanded = 4 * self.squeezed
        x = nn.relu(self.conv(self.squeezed, (1, 1), name="squeeze")(x))
        narrow = self.conv(expanded, (1, 1), name="expand1x1")(x)
        wide = self.conv(expanded, (3, 3), padding=1, name="expand3x3")(x)
        return nn.relu(jnp.concatenate([narrow, wide], axis=-1))


class SqueezeNet(nn.Module):
    """A strided convolution, eight fire modules with pooling between, and a 1x1 convolution to the classes.

    version: "1_0", or "1_1" with a smaller first layer and earlier pooling, which computes 2.4 times less.
    dropout: the fraction dropped before the last convolution in training; takes the key "dropout".
    """

    version: str
    num_classes: int = 10
    dropout: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3] of at least 21 pixels; returns float32[B, num_classes].

        With ``features`` also each fire module's output, as ``fire1`` to ``fire8``.
        """
        if self.version not in LAYERS:
            raise unknown("version", self.version, LAYERS)
        # he_uniform of every convolution but the last, biases zero, as torchvision initialises them
        conv = partial(
            Conv, dtype=self.dtype, kernel_init=initializers.kernel("he_uniform"), bias_init=nn.initializers.zeros
        )
        width, size = (96, (7, 7)) if self.version == "1_0" else (64, (3, 3))
        x = nn.relu(conv(width, size, stride=2, name="features.0")(x))
        stages = {}
        for place, squeezed in enumerate(LAYERS[self.version], start=2):
            if squeezed == "pool":
                x = max_pool(x, 3, stride=2, ceil_mode=True)
            else:
                x = stages[f"fire{len(stages) + 1}"] = Fire(squeezed, conv, name=f"features.{place}")(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        last = initializers.normal(0.01)
        x = nn.relu(conv(self.num_classes, (1, 1), kernel_init=last, name="classifier.1")(x))
        logits = global_average_pool(x).astype(jnp.float32)
        return (logits, stages) if features else logits


squeezenet1_0 = partial(SqueezeNet, "1_0")
squeezenet1_1 = partial(SqueezeNet, "1_1")
