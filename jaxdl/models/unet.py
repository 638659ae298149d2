"""U-Net (Ronneberger et al. 2015): a way down and a way up, each level of one joined to that of the other."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, batch_norm, max_pool


class UNet(nn.Module):
    """For small data and CPUs: all of it is learned from the start.

    As in the paper two 3x3 convolutions a level, twice the features and half the resolution at each; but images of any
    size are filled up with zeros to whole places of the lowest level, convolutions keep the size, and batch norm
    follows each, so that logits are the image's own pixels'. 31 million parameters with ``width`` 64 as in the paper.

    width: features of the first level; depth: levels below it.
    """

    num_classes: int = 21
    width: int = 32
    depth: int = 4
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, C]; returns float32[B, H, W, num_classes]."""
        conv = partial(Conv, kernel_size=(3, 3), padding=1, use_bias=False, dtype=self.dtype)
        norm = batch_norm(train=train, dtype=self.dtype)

        def twice(x: jax.Array, features: int, name: str) -> jax.Array:
            for index in (1, 2):
                x = nn.relu(norm(name=f"{name}.bn{index}")(conv(features, name=f"{name}.conv{index}")(x)))
            return x

        height, width = x.shape[1:3]
        whole = 2**self.depth
        x = jnp.pad(x, ((0, 0), (0, -height % whole), (0, -width % whole), (0, 0)))
        maps = []
        for level in range(self.depth):
            maps.append(twice(x, self.width * 2**level, f"down{level + 1}"))
            x = max_pool(maps[-1], 2)
        x = twice(x, self.width * whole, "bottom")
        for level in reversed(range(self.depth)):
            features = self.width * 2**level
            x = nn.ConvTranspose(features, (2, 2), strides=(2, 2), dtype=self.dtype, name=f"up{level + 1}.enlarge")(x)
            x = twice(jnp.concatenate([maps[level], x], axis=-1), features, f"up{level + 1}")
        logits = Conv(self.num_classes, (1, 1), dtype=self.dtype, name="classifier")(x)
        return logits[:, :height, :width].astype(jnp.float32)


unet = UNet
