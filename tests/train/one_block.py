"""The smallest network with everything, and a batch for it."""

import flax.linen as nn
import numpy as np


class OneBlock(nn.Module):
    """The smallest network that has everything a step must handle: a norm, dropout, biases."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(8, (3, 3), strides=2, padding=1)(x)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))
        x = nn.Dropout(0.3, deterministic=not train)(x)
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


def batch_of(rng, size=12, side=8):
    images = rng.integers(0, 256, (size, side, side, 3), np.uint8)
    return {"images": images, "labels": rng.integers(0, 10, size).astype(np.int32)}
