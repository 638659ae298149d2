"""The course's network: three 5x5 convolutions and two linear layers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flax.linen
    import torch
    from jax.typing import DTypeLike

BATCH_SIZE = 64


def flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """``apply(variables, x, train=...)``; x: float[B, 32, 32, 3], returns float32[B, 10]."""
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


def pytorch() -> "torch.nn.Module":
    """x: float32[B, 3, 32, 32], returns float32[B, 10]."""
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
