"""Lite R-ASPP (Howard et al. 2019): a segmenter of two maps, for phones.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.segmenter import Segmenter, enlarged
from jaxdl.nn import Conv, batch_norm


class LRASPPHead(nn.Module):
    """The coarse map's features, scaled by a gate that their means decide, and the finer map: logits of both, added."""

    num_classes: int
    features: int = 128
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, low: jax.Array, high: jax.Array, *, train: bool) -> jax.Array:
        """low: float[B, h, w, C] of the finer map, high: float[B, h', w', C']; returns float32[B, h, w, num_classes].

        "Low" and "high" are torchvision's words: of the level in the network, not of the resolution.
        """
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        x = conv(self.features, (1, 1), name="cbr.0")(high)
        x = nn.relu(batch_norm(train=train, dtype=self.dtype)(name="cbr.1")(x))
        gate = nn.sigmoid(conv(self.features, (1, 1), name="scale.1")(high.mean((1, 2), keepdims=True)))
        x = enlarged(x * gate, low.shape[1:3]).astype(self.dtype)
        logits = [
            Conv(self.num_classes, (1, 1), dtype=self.dtype, name=name)(each)
            for name, each in (("low_classifier", low), ("high_classifier", x))
        ]
        return sum(each.astype(jnp.float32) for each in logits)


class LRASPP(Segmenter):
    """An ``LRASPPHead`` on two of the backbone's maps, its logits enlarged to the image's pixels.

    features: of the head.
    """

    backbone: str = "mobilenet_v3_large"
    output_stride: int = 16
    features: int = 128

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, 3]; returns float32[B, H, W, num_classes]. Errors: as of ``maps``."""
        low, high = self.maps(x, train=train, finer=True)
        head = LRASPPHead(self.num_classes, self.features, self.dtype, name="classifier")
        return enlarged(head(low, high, train=train), x.shape[1:3])


lraspp_mobilenet_v3_large = LRASPP
