"""MobileNet v2 (Sandler et al. 2018): depthwise convolutions between a wide expansion and a linear bottleneck.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers

# of each stage: the expansion of its blocks, their features, how many there are, and the stride of the first
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class LinearBottleneck(nn.Module):
    """1x1 convolution to ``expansion`` times the channels, 3x3 depthwise, 1x1 without activation; a shortcut where the
    shape stays.

    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    stride: int
    expansion: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels, y, index = x.shape[-1], x, 0
        wide = channels * self.expansion
        if self.expansion != 1:
            y = nn.relu6(self.norm(name="conv.0.1")(self.conv(wide, (1, 1), name="conv.0.0")(y)))
            index = 1
        depthwise = self.conv(wide, (3, 3), stride=self.stride, padding=1, groups=wide, name=f"conv.{index}.0")
        y = nn.relu6(self.norm(name=f"conv.{index}.1")(depthwise(y)))
        y = self.conv(self.features, (1, 1), name=f"conv.{index + 1}")(y)
        y = self.norm(name=f"conv.{index + 2}")(y)
        return x + y if self.stride == 1 and channels == self.features else y


class MobileNetV2(nn.Module):
    """A 3x3 convolution, seventeen bottlenecks, a 1x1 convolution to 1280 features, their mean, one linear layer.

    dropout: the fraction dropped before the last linear layer in training; takes the key "dropout".
    stem: "imagenet", which divides the resolution by 32 in all; or "cifar", for images of 32 pixels, where the first
    two strided convolutions, the stem's and that of stage two, have stride 1; the parameters are the same.
    """

    num_classes: int = 10
    dropout: float = 0.2
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each block's output. In
        training needs a key named "dropout". Raises UserError for an unknown stem."""
        he = initializers.kernel("he_normal", fan="fan_out")
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=he)
        norm = batch_norm(train=train, dtype=self.dtype)
        cifar = is_cifar(self.stem)
        x = conv(32, (3, 3), stride=1 if cifar else 2, padding=1, name="features.0.0")(x)
        x = nn.relu6(norm(name="features.0.1")(x))
        blocks, index = {}, 1
        for stage, (expansion, width, count, stride) in enumerate(STAGES):
            for at in range(count):
                step = stride if at == 0 and not (cifar and stage == 1) else 1
                x = LinearBottleneck(width, step, expansion, conv, norm, name=f"features.{index}")(x)
                blocks[f"features.{index}"] = x
                index += 1
        x = nn.relu6(norm(name=f"features.{index}.1")(conv(1280, (1, 1), name=f"features.{index}.0")(x)))
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        dense = Dense(
            self.num_classes,
            dtype=self.dtype,
            kernel_init=initializers.normal(0.01),
            bias_init=nn.initializers.zeros,
            name="classifier.1",
        )
        logits = dense(x).astype(jnp.float32)
        return (logits, blocks) if features else logits


mobilenet_v2 = MobileNetV2
