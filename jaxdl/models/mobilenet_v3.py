"""MobileNet v3, small and large (Howard et al. 2019).

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.inverted_residual import InvertedResidual, round_channels
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers

# of each block: window, expanded features, features, whether it squeezes, its activation, stride: the paper's tables
SMALL = (
    (3, 16, 16, True, nn.relu, 2),
    (3, 72, 24, False, nn.relu, 2),
    (3, 88, 24, False, nn.relu, 1),
    (5, 96, 40, True, nn.hard_swish, 2),
    (5, 240, 40, True, nn.hard_swish, 1),
    (5, 240, 40, True, nn.hard_swish, 1),
    (5, 120, 48, True, nn.hard_swish, 1),
    (5, 144, 48, True, nn.hard_swish, 1),
    (5, 288, 96, True, nn.hard_swish, 2),
    (5, 576, 96, True, nn.hard_swish, 1),
    (5, 576, 96, True, nn.hard_swish, 1),
)
LARGE = (
    (3, 16, 16, False, nn.relu, 1),
    (3, 64, 24, False, nn.relu, 2),
    (3, 72, 24, False, nn.relu, 1),
    (5, 72, 40, True, nn.relu, 2),
    (5, 120, 40, True, nn.relu, 1),
    (5, 120, 40, True, nn.relu, 1),
    (3, 240, 80, False, nn.hard_swish, 2),
    (3, 200, 80, False, nn.hard_swish, 1),
    (3, 184, 80, False, nn.hard_swish, 1),
    (3, 184, 80, False, nn.hard_swish, 1),
    (3, 480, 112, True, nn.hard_swish, 1),
    (3, 672, 112, True, nn.hard_swish, 1),
    (5, 672, 160, True, nn.hard_swish, 2),
    (5, 960, 160, True, nn.hard_swish, 1),
    (5, 960, 160, True, nn.hard_swish, 1),
)


class MobileNetV3(nn.Module):
    """A 3x3 convolution, inverted residuals, a 1x1 convolution to six times the features, their mean, two linear ones.

    blocks: a row each, as in ``SMALL``; hidden: features between the linear layers.
    dropout: the fraction dropped before the last linear layer in training; takes the key "dropout".
    stem: "imagenet", which divides the resolution by 32 in all; or "cifar", for images of 32 pixels, where the first
    two strided convolutions, the stem's and a block's, have stride 1; the parameters are the same.
    """

    blocks: Sequence[tuple]
    hidden: int
    num_classes: int = 10
    dropout: float = 0.2
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    dilated_at_once = True  # as a backbone: the convolution that loses its stride is dilated as those behind it

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each block's output and the
        last convolution's. In training needs a key named "dropout". Raises UserError for an unknown stem."""
        zeros = nn.initializers.zeros
        he = initializers.kernel("he_normal", fan="fan_out")
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=he, bias_init=zeros)
        norm = batch_norm(train=train, momentum=0.01, epsilon=1e-3, dtype=self.dtype)
        strides = [2, *(row[-1] for row in self.blocks)]
        if is_cifar(self.stem):
            strides[0] = strides[strides.index(2, 1)] = 1
        x = conv(16, (3, 3), stride=strides[0], padding=1, name="features.0.0")(x)
        x = nn.hard_swish(norm(name="features.0.1")(x))
        outputs = {}
        for index, (window, expanded, width, squeeze, activation, _) in enumerate(self.blocks, start=1):
            squeezed = round_channels(expanded / 4) if squeeze else 0
            shape = (width, window, strides[index], expanded, squeezed)
            block = InvertedResidual(*shape, activation, nn.relu, nn.hard_sigmoid, conv, norm, name=f"features.{index}")
            outputs[f"features.{index}"] = x = block(x, train=train)
        last = f"features.{len(strides)}"
        x = conv(6 * x.shape[-1], (1, 1), name=f"{last}.0")(x)
        outputs[last] = x = nn.hard_swish(norm(name=f"{last}.1")(x))
        dense = partial(Dense, dtype=self.dtype, kernel_init=initializers.normal(0.01), bias_init=zeros)
        x = nn.hard_swish(dense(self.hidden, name="classifier.0")(global_average_pool(x)))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        logits = dense(self.num_classes, name="classifier.3")(x).astype(jnp.float32)
        return (logits, outputs) if features else logits


mobilenet_v3_small = partial(MobileNetV3, SMALL, 1024)
mobilenet_v3_large = partial(MobileNetV3, LARGE, 1280)
