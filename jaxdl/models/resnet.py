"""Residual networks (He et al. 2015), wide ones (Zagoruyko and Komodakis 2016) and ResNeXt (Xie et al. 2016).

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers, max_pool


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes.

    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    groups: int = 1
    width: int = 64
    expansion = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.conv(self.features, (3, 3), stride=self.stride, padding=1, name="conv1")(x)
        y = nn.relu(self.norm(name="bn1")(y))
        y = self.conv(self.features, (3, 3), padding=1, name="conv2")(y)
        y = self.norm(name="bn2")(y)
        return nn.relu(y + _shortcut(self, x, self.features))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, the last to four times the features; strided in the middle, as torchvision.

    groups, width: of the 3x3 convolution: its groups, and the channels of each where ``features`` is 64.
    """

    features: int
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    groups: int = 1
    width: int = 64
    expansion = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner, outer = self.features * self.width // 64 * self.groups, self.features * self.expansion
        y = nn.relu(self.norm(name="bn1")(self.conv(inner, (1, 1), name="conv1")(x)))
        y = self.conv(inner, (3, 3), stride=self.stride, padding=1, groups=self.groups, name="conv2")(y)
        y = nn.relu(self.norm(name="bn2")(y))
        y = self.norm(name="bn3")(self.conv(outer, (1, 1), name="conv3")(y))
        return nn.relu(y + _shortcut(self, x, outer))


def _shortcut(block: BasicBlock | Bottleneck, x: jax.Array, features: int) -> jax.Array:
    if block.stride == 1 and x.shape[-1] == features:
        return x
    x = block.conv(features, (1, 1), stride=block.stride, name="downsample.0")(x)
    return block.norm(name="downsample.1")(x)


class ResNet(nn.Module):
    """A stem, four stages of blocks of 64, 128, 256 and 512 features, global average pooling, one linear layer.

    sizes: number of blocks of each stage; every stage but the first halves the resolution.
    stem: "imagenet", a 7x7 convolution and pooling that divide the resolution by four; or "cifar", one 3x3 convolution,
    for images of 32 pixels.
    """

    block: type[BasicBlock] | type[Bottleneck]
    sizes: Sequence[int]
    groups: int = 1
    width: int = 64
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output."""
        # fan_out, as torchvision initialises them
        conv = partial(
            Conv, use_bias=False, dtype=self.dtype, kernel_init=initializers.kernel("he_normal", fan="fan_out")
        )
        norm = batch_norm(train=train, dtype=self.dtype)
        if is_cifar(self.stem):
            x = nn.relu(norm(name="bn1")(conv(64, (3, 3), padding=1, name="conv1")(x)))
        else:
            x = nn.relu(norm(name="bn1")(conv(64, (7, 7), stride=2, padding=3, name="conv1")(x)))
            x = max_pool(x, 3, stride=2, padding=1)
        stages = {}
        for stage, blocks in enumerate(self.sizes):
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                name = f"layer{stage + 1}.{index}"
                x = self.block(64 * 2**stage, stride, conv, norm, self.groups, self.width, name=name)(x)
            stages[f"layer{stage + 1}"] = x
        logits = Dense(self.num_classes, dtype=self.dtype, name="fc")(global_average_pool(x)).astype(jnp.float32)
        return (logits, stages) if features else logits


resnet18 = partial(ResNet, BasicBlock, (2, 2, 2, 2))
resnet34 = partial(ResNet, BasicBlock, (3, 4, 6, 3))
resnet50 = partial(ResNet, Bottleneck, (3, 4, 6, 3))
resnet101 = partial(ResNet, Bottleneck, (3, 4, 23, 3))
resnet152 = partial(ResNet, Bottleneck, (3, 8, 36, 3))
resnext50_32x4d = partial(ResNet, Bottleneck, (3, 4, 6, 3), groups=32, width=4)
resnext101_32x8d = partial(ResNet, Bottleneck, (3, 4, 23, 3), groups=32, width=8)
resnext101_64x4d = partial(ResNet, Bottleneck, (3, 4, 23, 3), groups=64, width=4)
wide_resnet50_2 = partial(ResNet, Bottleneck, (3, 4, 6, 3), width=128)
wide_resnet101_2 = partial(ResNet, Bottleneck, (3, 4, 23, 3), width=128)
