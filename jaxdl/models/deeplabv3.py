"""DeepLabV3 (Chen et al. 2017): convolutions of several dilations side by side, which see near and far.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.segmenter import WithAuxiliary
from jaxdl.nn import Conv, batch_norm

FEATURES = 256


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a 1x1 convolution, 3x3 ones dilated by ``rates``, the map's mean; then one 1x1.

    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    rates: Sequence[int]
    dropout: float
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, h, w, C]; returns float[B, h, w, 256]."""
        branches = [nn.relu(self.norm(name="convs.0.1")(self.conv(FEATURES, (1, 1), name="convs.0.0")(x)))]
        for index, rate in enumerate(self.rates, start=1):
            y = self.conv(FEATURES, (3, 3), padding=rate, dilation=rate, name=f"convs.{index}.0")(x)
            branches.append(nn.relu(self.norm(name=f"convs.{index}.1")(y)))
        pooled = f"convs.{len(self.rates) + 1}"
        y = self.conv(FEATURES, (1, 1), name=f"{pooled}.1")(x.mean((1, 2), keepdims=True))
        y = nn.relu(self.norm(name=f"{pooled}.2")(y))
        branches.append(jnp.broadcast_to(y, (*x.shape[:-1], FEATURES)))
        y = self.conv(FEATURES, (1, 1), name="project.0")(jnp.concatenate(branches, axis=-1))
        y = nn.relu(self.norm(name="project.1")(y))
        return nn.Dropout(self.dropout, deterministic=not train)(y)


class DeepLabHead(nn.Module):
    """``ASPP``, a 3x3 convolution, batch norm, ReLU, a 1x1 convolution to logits: torchvision's ``DeepLabHead``."""

    num_classes: int
    rates: Sequence[int] = (12, 24, 36)
    dropout: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, h, w, C]; returns float[B, h, w, num_classes]."""
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = batch_norm(train=train, dtype=self.dtype)
        x = ASPP(self.rates, self.dropout, conv, norm, name="0")(x, train=train)
        x = nn.relu(norm(name="2")(conv(FEATURES, (3, 3), padding=1, name="1")(x)))
        return Conv(self.num_classes, (1, 1), dtype=self.dtype, name="4")(x)


class DeepLabV3(WithAuxiliary):
    """A backbone with a ``DeepLabHead``: torchvision's ``deeplabv3_resnet50``.

    rates: dilations of the head's convolutions, those for an output stride of 8 also where it is 16, as torchvision.
    """

    dropout: float = 0.5
    rates: Sequence[int] = (12, 24, 36)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, 3]; returns float32[B, H, W, num_classes]. In training needs a key named "dropout"."""
        head = DeepLabHead(self.num_classes, self.rates, self.dropout, self.dtype, name="classifier")
        return self.logits(x, head, train=train)


deeplabv3_resnet50 = partial(DeepLabV3, backbone="resnet50")
deeplabv3_resnet101 = partial(DeepLabV3, backbone="resnet101")
deeplabv3_mobilenet_v3_large = partial(DeepLabV3, backbone="mobilenet_v3_large", output_stride=16)
