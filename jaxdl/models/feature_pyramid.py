"""Feature pyramids (Lin et al. 2017): maps of several strides, of which each knows what the coarser ones see.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import unknown
from jaxdl.nn import Conv, batch_norm, initializers

FEATURES = 256
POOLED, FROM_PYRAMID, FROM_BACKBONE = "pool", "p6p7", "p6p7_of_c5"
COARSER = (POOLED, FROM_PYRAMID, FROM_BACKBONE)


class FeaturePyramid(nn.Module):
    """torchvision's ``FeaturePyramidNetwork``: 1x1 convolutions, each sum with the coarser one enlarged, 3x3 ones.

    coarser: maps behind the coarsest: "pool", every second place of it (``LastLevelMaxPool``); "p6p7", two strided
    convolutions of it, or "p6p7_of_c5", of the map that it was made of (``LastLevelP6P7``; Lin et al. 2018).
    norm: whether batch norm follows each convolution, which then has no bias.
    Raises UserError for another name.
    """

    features: int = FEATURES
    coarser: str = POOLED
    norm: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, maps: Sequence[jax.Array], *, train: bool) -> list[jax.Array]:
        """maps: float[B, h, w, C] each, the finest first; returns float[B, h, w, features] and coarser ones."""
        if self.coarser not in COARSER:
            raise unknown("kind of coarser maps", self.coarser, COARSER)
        kernel_init, zeros = initializers.kernel("he_uniform", gain=1.0), nn.initializers.zeros
        conv = partial(Conv, self.features, dtype=self.dtype, kernel_init=kernel_init, bias_init=zeros)

        def block(x: jax.Array, name: str, window: int) -> jax.Array:
            x = conv((window, window), padding=window // 2, use_bias=not self.norm, name=f"{name}.0")(x)
            return batch_norm(train=train, dtype=self.dtype)(name=f"{name}.1")(x) if self.norm else x

        found: list[jax.Array] = []
        above = None
        for index in reversed(range(len(maps))):
            beside = block(maps[index], f"inner_blocks.{index}", 1)
            above = beside if above is None else beside + _enlarged(above, beside.shape[1:3])
            found.insert(0, block(above, f"layer_blocks.{index}", 3))
        if self.coarser == POOLED:
            return [*found, found[-1][:, ::2, ::2]]
        last = found[-1] if self.coarser == FROM_PYRAMID else maps[-1]
        sixth = conv((3, 3), stride=2, padding=1, name="extra_blocks.p6")(last)
        return [*found, sixth, conv((3, 3), stride=2, padding=1, name="extra_blocks.p7")(nn.relu(sixth))]


def _enlarged(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    """By the nearest place, as ``torch.nn.functional.interpolate(mode="nearest")``."""
    rows, columns = (jnp.arange(after) * before // after for after, before in zip(size, x.shape[1:3], strict=True))
    return x[:, rows][:, :, columns]
