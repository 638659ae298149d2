"""The network of airbench94: Jordan (2024), "94% on CIFAR-10 in 3.29 Seconds on a Single GPU"."""

from typing import TYPE_CHECKING

from experiments.benchmark.networks import whitening

if TYPE_CHECKING:
    import flax.linen
    import torch
    from jax.typing import DTypeLike

BATCH_SIZE = 256  # of the published 1024 the contestants together would want twenty gigabytes
WIDTHS = (64, 256, 256)
NORM_MOMENTUM, NORM_EPSILON = 0.4, 1e-12  # momentum as PyTorch has it
OUTPUT_SCALE = 1 / 9


def flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """``apply(variables, x, train=...)``; x: float[B, 32, 32, 3], returns float32[B, 10]."""
    import flax.linen as nn
    import jax.numpy as jnp

    class SpeedNetwork(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.gelu(whitening.flax(dtype, use_bias=True)(x), approximate=False)
            for features in WIDTHS:
                for layer in range(2):
                    x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=dtype)(x)
                    if layer == 0:
                        x = nn.max_pool(x, (2, 2), strides=(2, 2))
                    norm = nn.BatchNorm(
                        use_running_average=not train,
                        momentum=1 - NORM_MOMENTUM,
                        epsilon=NORM_EPSILON,
                        use_scale=False,
                        dtype=dtype,
                    )
                    x = nn.gelu(norm(x), approximate=False)
            logits = nn.Dense(10, use_bias=False, dtype=dtype)(x.max((1, 2)))
            return logits.astype(jnp.float32) * OUTPUT_SCALE

    return SpeedNetwork()


def pytorch() -> "torch.nn.Sequential":
    """x: float32[B, 3, 32, 32], returns float32[B, 10]. The first kernel is to be set and does not train."""
    from torch import nn

    class Scale(nn.Module):
        def forward(self, x):
            return x * OUTPUT_SCALE

    def convolution(inputs, outputs):
        layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.dirac_(layer.weight.data[:inputs])  # these filters begin by handing their channel on
        return layer

    def norm(features):
        layer = nn.BatchNorm2d(features, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)
        layer.weight.requires_grad_(False)
        return layer

    first = nn.Conv2d(3, whitening.WHITENED, 2)
    first.weight.requires_grad_(False)
    nn.init.zeros_(first.bias)
    layers, inputs = [first, nn.GELU()], whitening.WHITENED
    for features in WIDTHS:
        layers += [convolution(inputs, features), nn.MaxPool2d(2), norm(features), nn.GELU()]
        layers += [convolution(features, features), norm(features), nn.GELU()]
        inputs = features
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(inputs, 10, bias=False), Scale())
