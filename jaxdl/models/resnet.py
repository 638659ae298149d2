"""Residual networks (He et al. 2015) with the stem for 32x32 images: one 3x3 convolution and no pooling."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

# fan_out, as torchvision initialises them
conv_init = jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes.

    conv, norm: ``nn.Conv`` and ``nn.BatchNorm`` with everything fixed but what differs from layer to layer.
    """

    features: int
    strides: int
    conv: partial
    norm: partial

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shortcut = x
        y = self.conv(self.features, (3, 3), strides=self.strides, padding=1)(x)
        y = nn.relu(self.norm()(y))
        y = self.conv(self.features, (3, 3), padding=1)(y)
        y = self.norm()(y)
        if shortcut.shape != y.shape:
            shortcut = self.conv(self.features, (1, 1), strides=self.strides, padding=0, name="shortcut_conv")(x)
            shortcut = self.norm(name="shortcut_norm")(shortcut)
        return nn.relu(y + shortcut)


class ResNet(nn.Module):
    """A stem, four stages of blocks of 64, 128, 256 and 512 channels, global average pooling, one linear layer.

    stage_sizes: how many blocks each stage has; every stage but the first halves the resolution.
    """

    stage_sizes: Sequence[int]
    num_classes: int = 10
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, 3]; returns float32[B, num_classes]."""
        conv = partial(nn.Conv, use_bias=False, dtype=self.dtype, kernel_init=conv_init)
        # PyTorch's momentum 0.1; PyTorch's running variance is unbiased, this one is not
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, epsilon=1e-5, dtype=self.dtype)
        x = conv(64, (3, 3), padding=1, name="stem_conv")(x)
        x = nn.relu(norm(name="stem_norm")(x))
        for stage, blocks in enumerate(self.stage_sizes):
            for block in range(blocks):
                strides = 2 if stage > 0 and block == 0 else 1
                x = BasicBlock(64 * 2**stage, strides, conv, norm, name=f"stage{stage + 1}_block{block + 1}")(x)
        x = x.mean((1, 2))
        x = nn.Dense(self.num_classes, dtype=self.dtype, name="head")(x)
        return x.astype(jnp.float32)


def resnet18(*, num_classes: int = 10, dtype: DTypeLike = jnp.float32) -> ResNet:
    """ResNet-18 for 32x32 images; 11,173,962 parameters with ten classes."""
    return ResNet((2, 2, 2, 2), num_classes, dtype)
