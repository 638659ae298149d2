"""VGG (Simonyan and Zisserman 2014): 3x3 convolutions and 2x2 pooling, then three linear layers.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, Dense, adaptive_average_pool, batch_norm, flatten, initializers, max_pool

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Five stages of convolutions of 64, 128, 256, 512 and 512 features, each followed by 2x2 max pooling.

    depths: number of convolutions of each stage.
    batch_norm: whether a batch norm follows each of them.
    dropout: the fraction dropped after each of the two hidden linear layers in training; takes the key "dropout".
    flattened: the image that the first linear layer sees, for ``transfer.conversion``.
    """

    depths: Sequence[int]
    batch_norm: bool = False
    num_classes: int = 10
    dropout: float = 0.5
    dtype: DTypeLike = jnp.float32

    flattened = MappingProxyType({"classifier.0": (7, 7, 512)})

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3] of at least 32 pixels; returns float32[B, num_classes].

        With ``features`` also each stage's output before its pooling, as ``stage1`` to ``stage5``.
        """
        init = initializers.kernel("he_normal", fan="fan_out")
        norm = batch_norm(train=train, dtype=self.dtype)
        conv = partial(
            Conv, kernel_size=(3, 3), padding=1, dtype=self.dtype, kernel_init=init, bias_init=nn.initializers.zeros
        )
        place, stages = 0, {}  # place: in torchvision's Sequential, where activations and pooling count too
        for stage, (width, depth) in enumerate(zip(WIDTHS, self.depths, strict=True), start=1):
            for _ in range(depth):
                x = conv(width, name=f"features.{place}")(x)
                if self.batch_norm:
                    x = norm(name=f"features.{place + 1}")(x)
                x = nn.relu(x)
                place += 3 if self.batch_norm else 2
            stages[f"stage{stage}"] = x
            x = max_pool(x, 2)
            place += 1
        x = flatten(adaptive_average_pool(x, 7))
        dense = partial(Dense, dtype=self.dtype, kernel_init=initializers.normal(0.01), bias_init=nn.initializers.zeros)
        for name in ("classifier.0", "classifier.3"):
            x = nn.relu(dense(4096, name=name)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        logits = dense(self.num_classes, name="classifier.6")(x).astype(jnp.float32)
        return (logits, stages) if features else logits


vgg11 = partial(VGG, (1, 1, 2, 2, 2))
vgg13 = partial(VGG, (2, 2, 2, 2, 2))
vgg16 = partial(VGG, (2, 2, 3, 3, 3))
vgg19 = partial(VGG, (2, 2, 4, 4, 4))
vgg11_bn = partial(VGG, (1, 1, 2, 2, 2), batch_norm=True)
vgg13_bn = partial(VGG, (2, 2, 2, 2, 2), batch_norm=True)
vgg16_bn = partial(VGG, (2, 2, 3, 3, 3), batch_norm=True)
vgg19_bn = partial(VGG, (2, 2, 4, 4, 4), batch_norm=True)
