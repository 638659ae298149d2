"""Densely connected networks (Huang et al. 2016): each layer sees the outputs of all earlier ones in its block.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, average_pool, batch_norm, global_average_pool, initializers, max_pool


class DenseLayer(nn.Module):
    """``growth`` new features beside those given: 1x1 convolution to four times as many, then 3x3, each behind a norm.

    conv, norm, drop: partial layer classes, with the arguments common to all layers fixed.
    """

    growth: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    drop: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.conv(4 * self.growth, (1, 1), name="conv1")(nn.relu(self.norm(name="norm1")(x)))
        y = self.conv(self.growth, (3, 3), padding=1, name="conv2")(nn.relu(self.norm(name="norm2")(y)))
        return jnp.concatenate([x, self.drop()(y)], axis=-1)


class DenseNet(nn.Module):
    """A stem, four blocks of dense layers, between them half the features and half the resolution, one linear layer.

    growth: the features that each layer adds; sizes: number of layers of each block; width: the stem's features.
    stem: "imagenet", a 7x7 convolution and pooling that divide the resolution by four; or "cifar", one 3x3 convolution,
    for images of 32 pixels.
    dropout: the fraction of each layer's new features dropped in training; takes the key "dropout".
    """

    growth: int
    sizes: Sequence[int]
    width: int
    num_classes: int = 10
    stem: str = "imagenet"
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each block's output;
        training with dropout needs a key named "dropout". Raises UserError for an unknown stem."""
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=initializers.kernel("he_normal"))
        norm = batch_norm(train=train, dtype=self.dtype)
        drop = partial(nn.Dropout, self.dropout, deterministic=not train)
        if is_cifar(self.stem):
            x = conv(self.width, (3, 3), padding=1, name="features.conv0")(x)
            x = nn.relu(norm(name="features.norm0")(x))
        else:
            x = conv(self.width, (7, 7), stride=2, padding=3, name="features.conv0")(x)
            x = max_pool(nn.relu(norm(name="features.norm0")(x)), 3, stride=2, padding=1)
        blocks = {}
        for block, layers in enumerate(self.sizes, start=1):
            if block > 1:
                name = f"features.transition{block - 1}"
                x = nn.relu(norm(name=f"{name}.norm")(x))
                x = average_pool(conv(x.shape[-1] // 2, (1, 1), name=f"{name}.conv")(x), 2)
            for layer in range(1, layers + 1):
                name = f"features.denseblock{block}.denselayer{layer}"
                x = DenseLayer(self.growth, conv, norm, drop, name=name)(x)
            blocks[f"denseblock{block}"] = x
        x = global_average_pool(nn.relu(norm(name="features.norm5")(x)))
        dense = Dense(self.num_classes, dtype=self.dtype, bias_init=nn.initializers.zeros, name="classifier")
        logits = dense(x).astype(jnp.float32)
        return (logits, blocks) if features else logits


densenet121 = partial(DenseNet, 32, (6, 12, 24, 16), 64)
densenet161 = partial(DenseNet, 48, (6, 12, 36, 24), 96)
densenet169 = partial(DenseNet, 32, (6, 12, 32, 32), 64)
densenet201 = partial(DenseNet, 32, (6, 12, 48, 32), 64)
