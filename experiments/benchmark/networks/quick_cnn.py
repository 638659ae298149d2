"""The network of the recipe ``quick``: a first layer that is not trained, then five 3x3 convolutions."""

from typing import TYPE_CHECKING

from experiments.benchmark.networks import whitening

if TYPE_CHECKING:
    import flax.linen
    import torch
    from jax.typing import DTypeLike

BATCH_SIZE = 256
STAGES = ((16, 1), (64, 2), (128, 2))  # features, convolutions


def flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """``apply(variables, x, train=...)``; x: float[B, 32, 32, 3], returns float32[B, 10]."""
    import flax.linen as nn
    import jax.numpy as jnp

    class QuickNetwork(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.gelu(whitening.flax(dtype)(x))
            for features, depth in STAGES:
                for layer in range(depth):
                    x = nn.Conv(features, (3, 3), padding=1, use_bias=False, dtype=dtype)(x)
                    if layer == 0:
                        x = nn.max_pool(x, (2, 2), strides=(2, 2))
                    x = nn.gelu(nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=dtype)(x))
            return nn.Dense(10, dtype=dtype)(x.max((1, 2))).astype(jnp.float32)

    return QuickNetwork()


def pytorch() -> "torch.nn.Module":
    """x: float32[B, 3, 32, 32], returns float32[B, 10]."""
    from torch import nn

    whiten = nn.Conv2d(3, whitening.WHITENED, 2, bias=False)
    whiten.weight.requires_grad_(False)
    layers, channels = [whiten, nn.GELU(approximate="tanh")], whitening.WHITENED
    for features, depth in STAGES:
        for layer in range(depth):
            layers.append(nn.Conv2d(channels, features, 3, padding=1, bias=False))
            if layer == 0:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.BatchNorm2d(features), nn.GELU(approximate="tanh")]
            channels = features
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
