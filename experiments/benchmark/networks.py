"""The networks that are compared: beside the form in ``jaxdl.models`` two more of each.

A form imports what it needs in the function, so that a process that trains one never loads what the other is made of.
To add a network, write its two forms and enter them below.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from experiments.benchmark import segmenters

if TYPE_CHECKING:
    import flax.linen
    import torch
    from jax.typing import DTypeLike

WHITENED = 24  # channels; other networks than ours begin with random numbers there, which costs the same
QUICK_STAGES = ((16, 1), (64, 2), (128, 2))  # features, convolutions
RESNET_STAGES, RESNET_BLOCKS = (64, 128, 256, 512), 2  # features; blocks of each stage
SPEED_WIDTHS = (64, 256, 256)
SPEED_MOMENTUM, SPEED_EPSILON = 0.4, 1e-12  # of batch norm; momentum as PyTorch has it
SPEED_SCALE = 1 / 9  # of the logits


@dataclass(frozen=True, kw_only=True)
class Network:
    """batch_size: images a step, where the flags name no other. image: their (H, W).

    flax: of a dtype, in linen's own layers, whose variables are named as ours: ``apply(variables, x, train=...)``;
    x: float[B, H, W, 3], returns float32[B, classes]. pytorch: x: float32[B, 3, H, W], returns float32[B, classes].
    of_pixels: whether each pixel has logits, float32[B, H, W, classes] and in PyTorch float32[B, classes, H, W].
    settings: flags of ours beside ``--model``.
    """

    batch_size: int
    flax: "Callable[[DTypeLike], flax.linen.Module]"
    pytorch: "Callable[[], torch.nn.Module]"
    image: tuple[int, int] = (32, 32)
    classes: int = 10
    of_pixels: bool = False
    settings: Mapping[str, str | int] = dataclasses.field(default_factory=dict)


def _cifar_cnn_flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """The course's network: three 5x5 convolutions and two linear layers."""
    import flax.linen as nn
    import jax.numpy as jnp

    class CourseNetwork(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            for features in (32, 32, 64):
                x = nn.Conv(features, (5, 5), padding=2, dtype=dtype)(x)
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
            x = nn.Dense(64, dtype=dtype)(x.reshape(len(x), -1))
            return nn.Dense(10, dtype=dtype)(x).astype(jnp.float32)

    return CourseNetwork()


def _cifar_cnn_pytorch() -> "torch.nn.Module":
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 64),
        nn.Linear(64, 10),
    )


def _resnet18_flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """ResNet-18 with a 3x3 stem, for images of 32 pixels (He et al. 2015); names are torchvision's."""
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
            for stage, features in enumerate(RESNET_STAGES):
                for index in range(RESNET_BLOCKS):
                    stride = 2 if stage > 0 and index == 0 else 1
                    x = Block(features, stride, name=f"layer{stage + 1}.{index}")(x, train=train)
            return nn.Dense(10, dtype=dtype, name="fc")(x.mean((1, 2))).astype(jnp.float32)

    return ResNet()


def _resnet18_pytorch() -> "torch.nn.Module":
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
            for stage, features in enumerate(RESNET_STAGES):
                blocks = []
                for index in range(RESNET_BLOCKS):
                    blocks.append(Block(channels, features, 2 if stage > 0 and index == 0 else 1))
                    channels = features
                self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            self.fc = nn.Linear(channels, 10)

        def forward(self, x):
            x = self.relu(self.bn1(self.conv1(x)))
            for stage in range(len(RESNET_STAGES)):
                x = getattr(self, f"layer{stage + 1}")(x)
            return self.fc(x.mean((2, 3)))

    return ResNet()


def _whitening(dtype: "DTypeLike", *, use_bias: bool = False) -> "flax.linen.Module":
    """A first layer, named as ours, whose kernel is not trained: float[B, H, W, C] -> float[B, H - 1, W - 1, 24]."""
    import flax.linen as nn
    import jax

    class Whiten(nn.Module):
        @nn.compact
        def __call__(self, x):
            shape = (2, 2, x.shape[-1], WHITENED)
            start = nn.initializers.lecun_normal()
            kernel = self.variable("batch_stats", "kernel", lambda: start(self.make_rng("params"), shape))
            kernel = kernel.value.astype(dtype)
            y = jax.lax.conv_general_dilated(
                x.astype(dtype), kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            if not use_bias:
                return y
            return y + self.param("bias", nn.initializers.zeros, (WHITENED,)).astype(dtype)[None, None, None]

    return Whiten()


def _quick_cnn_flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """The network of the recipe ``quick``: a first layer that is not trained, then five 3x3 convolutions."""
    import flax.linen as nn
    import jax.numpy as jnp

    class QuickNetwork(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.gelu(_whitening(dtype)(x))
            for features, depth in QUICK_STAGES:
                for layer in range(depth):
                    x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=dtype)(x)
                    if layer == 0:
                        x = nn.max_pool(x, (2, 2), strides=(2, 2))
                    x = nn.gelu(nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=dtype)(x))
            return nn.Dense(10, dtype=dtype)(x.max((1, 2))).astype(jnp.float32)

    return QuickNetwork()


def _quick_cnn_pytorch() -> "torch.nn.Module":
    from torch import nn

    whiten = nn.Conv2d(3, WHITENED, 2, bias=False)
    whiten.weight.requires_grad_(False)
    layers, channels = [whiten, nn.GELU(approximate="tanh")], WHITENED
    for features, depth in QUICK_STAGES:
        for layer in range(depth):
            layers.append(nn.Conv2d(channels, features, 3, padding=1, bias=False))
            if layer == 0:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.BatchNorm2d(features), nn.GELU(approximate="tanh")]
            channels = features
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def _speed_cnn_flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """The network of airbench94: Jordan (2024), "94% on CIFAR-10 in 3.29 Seconds on a Single GPU"."""
    import flax.linen as nn
    import jax.numpy as jnp

    class SpeedNetwork(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.gelu(_whitening(dtype, use_bias=True)(x), approximate=False)
            for features in SPEED_WIDTHS:
                for layer in range(2):
                    x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=dtype)(x)
                    if layer == 0:
                        x = nn.max_pool(x, (2, 2), strides=(2, 2))
                    norm = nn.BatchNorm(
                        use_running_average=not train,
                        momentum=1 - SPEED_MOMENTUM,
                        epsilon=SPEED_EPSILON,
                        use_scale=False,
                        dtype=dtype,
                    )
                    x = nn.gelu(norm(x), approximate=False)
            logits = nn.Dense(10, use_bias=False, dtype=dtype)(x.max((1, 2)))
            return logits.astype(jnp.float32) * SPEED_SCALE

    return SpeedNetwork()


def _speed_cnn_pytorch() -> "torch.nn.Sequential":
    """The first kernel is to be set and does not train."""
    from torch import nn

    class Scale(nn.Module):
        def forward(self, x):
            return x * SPEED_SCALE

    def convolution(inputs, outputs):
        layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.dirac_(layer.weight.data[:inputs])  # these filters begin by handing their channel on
        return layer

    def norm(features):
        layer = nn.BatchNorm2d(features, eps=SPEED_EPSILON, momentum=SPEED_MOMENTUM)
        layer.weight.requires_grad_(False)
        return layer

    first = nn.Conv2d(3, WHITENED, 2)
    first.weight.requires_grad_(False)
    nn.init.zeros_(first.bias)
    layers, inputs = [first, nn.GELU()], WHITENED
    for features in SPEED_WIDTHS:
        layers += [convolution(inputs, features), nn.MaxPool2d(2), norm(features), nn.GELU()]
        layers += [convolution(features, features), norm(features), nn.GELU()]
        inputs = features
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(inputs, 10, bias=False), Scale())


CLASSIFIERS: Mapping[str, Network] = MappingProxyType(
    {
        "cifar_cnn": Network(batch_size=64, flax=_cifar_cnn_flax, pytorch=_cifar_cnn_pytorch),
        "quick_cnn": Network(batch_size=256, flax=_quick_cnn_flax, pytorch=_quick_cnn_pytorch),
        "resnet18": Network(batch_size=128, flax=_resnet18_flax, pytorch=_resnet18_pytorch),
        # of the published 1024 the contestants together would want twenty gigabytes
        "speed_cnn": Network(batch_size=256, flax=_speed_cnn_flax, pytorch=_speed_cnn_pytorch),
    }
)
SEGMENTERS: Mapping[str, Network] = MappingProxyType(
    {
        "lraspp": Network(
            batch_size=8,
            flax=segmenters.lraspp_flax,
            pytorch=segmenters.lraspp_pytorch,
            image=(192, 256),
            classes=segmenters.CLASSES,
            of_pixels=True,
            settings=MappingProxyType({"backbone": "mobilenet_v2", "output_stride": 32}),
        )
    }
)
NETWORKS: Mapping[str, Network] = MappingProxyType({**CLASSIFIERS, **SEGMENTERS})
