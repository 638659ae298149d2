"""ResNet-18 with a 3x3 stem, for images of 32 pixels (He et al. 2015); names are torchvision's."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flax.linen
    import torch
    from jax.typing import DTypeLike

BATCH_SIZE = 128
STAGES = (64, 128, 256, 512)
BLOCKS = 2  # of each stage


def flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """``apply(variables, x, train=...)``; x: float[B, 32, 32, 3], returns float32[B, 10]."""
    from functools import partial

    import flax.linen as nn
    import jax.numpy as jnp

    conv = partial(nn.Conv, use_bias=False, dtype=dtype)

    class Block(nn.Module):
        features: int
        stride: int

        @nn.compact
        def __call__(self, x, *, train):
            norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=dtype)
            y = conv(self.features, (3, 3), strides=self.stride, padding=1, name="conv1")(x)
            y = nn.relu(norm(name="bn1")(y))
            y = norm(name="bn2")(conv(self.features, (3, 3), padding=1, name="conv2")(y))
            if x.shape != y.shape:
                x = conv(self.features, (1, 1), strides=self.stride, padding=0, name="downsample.0")(x)
                x = norm(name="downsample.1")(x)
            return nn.relu(x + y)

    class ResNet(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = conv(64, (3, 3), padding=1, name="conv1")(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=dtype, name="bn1")(x))
            for stage, features in enumerate(STAGES):
                for index in range(BLOCKS):
                    stride = 2 if stage > 0 and index == 0 else 1
                    x = Block(features, stride, name=f"layer{stage + 1}.{index}")(x, train=train)
            return nn.Dense(10, dtype=dtype, name="fc")(x.mean((1, 2))).astype(jnp.float32)

    return ResNet()


def pytorch() -> "torch.nn.Module":
    """x: float32[B, 3, 32, 32], returns float32[B, 10]."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels, features, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, features, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(features)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(features)
            self.downsample = None
            if stride > 1:
                shortcut = nn.Conv2d(channels, features, 1, stride, bias=False)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(features))

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
            self.relu = nn.ReLU(inplace=True)
            channels = 64
            for stage, features in enumerate(STAGES):
                blocks = []
                for index in range(BLOCKS):
                    blocks.append(Block(channels, features, 2 if stage > 0 and index == 0 else 1))
                    channels = features
                self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            self.fc = nn.Linear(channels, 10)

        def forward(self, x):
            x = self.relu(self.bn1(self.conv1(x)))
            for stage in range(len(STAGES)):
                x = getattr(self, f"layer{stage + 1}")(x)
            return self.fc(x.mean((2, 3)))

    return ResNet()
