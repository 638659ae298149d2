"""EfficientNet b0 to b7 (Tan and Le 2019), one network, its width and depth scaled together; and v2 (Tan and Le 2021).

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.inverted_residual import FusedInvertedResidual, InvertedResidual, round_channels
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers

# of each stage: expansion, window, the first block's stride, features, how many blocks
B0 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
V2_S = (
    (1, 3, 1, 24, 2),
    (4, 3, 2, 48, 4),
    (4, 3, 2, 64, 4),
    (4, 3, 2, 128, 6),
    (6, 3, 1, 160, 9),
    (6, 3, 2, 256, 15),
)
V2_M = (
    (1, 3, 1, 24, 3),
    (4, 3, 2, 48, 5),
    (4, 3, 2, 80, 5),
    (4, 3, 2, 160, 7),
    (6, 3, 1, 176, 14),
    (6, 3, 2, 304, 18),
    (6, 3, 1, 512, 5),
)
V2_L = (
    (1, 3, 1, 32, 4),
    (4, 3, 2, 64, 7),
    (4, 3, 2, 96, 7),
    (4, 3, 2, 192, 10),
    (6, 3, 1, 224, 19),
    (6, 3, 2, 384, 25),
    (6, 3, 1, 640, 7),
)


class EfficientNet(nn.Module):
    """A 3x3 convolution, stages of inverted residuals, a 1x1 convolution, the mean of its features, one linear layer.

    width, depth: the features and the blocks of each stage are multiplied by them.
    dropout: the fraction dropped before the linear layer in training; takes the key "dropout".
    stages: a row each, as in ``B0``; fused: of so many of the first, the inverted residuals are fused ones.
    first, last: features of the 3x3 convolution, which ``width`` multiplies too, and of the 1x1 convolution, which are
    four times those of the last stage if None.
    stochastic_depth: the fraction of examples that in training skip a block rises by blocks from 0 towards it.
    momentum, epsilon: of batch norm.
    stem: "imagenet", which divides the resolution by 32 in all; or "cifar", for images of 32 pixels, where the first
    two strided convolutions, the stem's and that of stage two, have stride 1; the parameters are the same.
    """

    width: float
    depth: float
    dropout: float
    stages: Sequence[tuple] = B0
    fused: int = 0
    first: int = 32
    last: int | None = None
    stochastic_depth: float = 0.2
    momentum: float = 0.1
    epsilon: float = 1e-5
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output. In
        training needs a key named "dropout". Raises UserError for an unknown stem."""
        zeros = nn.initializers.zeros
        he = initializers.kernel("he_normal", fan="fan_out")
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=he, bias_init=zeros)
        norm = batch_norm(train=train, momentum=self.momentum, epsilon=self.epsilon, dtype=self.dtype)
        cifar = is_cifar(self.stem)
        first = round_channels(self.first * self.width)
        x = conv(first, (3, 3), stride=1 if cifar else 2, padding=1, name="features.0.0")(x)
        x = nn.silu(norm(name="features.0.1")(x))
        counts = [math.ceil(row[-1] * self.depth) for row in self.stages]
        outputs, done = {}, 0
        for stage, (expansion, window, stride, base, _) in enumerate(self.stages, start=1):
            for index in range(counts[stage - 1]):
                channels = x.shape[-1]
                step = stride if index == 0 and not (cifar and stage == 2) else 1
                shape = (round_channels(base * self.width), window, step, channels * expansion)
                layers = (conv, norm, self.stochastic_depth * done / sum(counts))
                name = f"features.{stage}.{index}"
                if stage <= self.fused:
                    block = FusedInvertedResidual(*shape, nn.silu, *layers, name=name)
                else:
                    squeezed = max(1, channels // 4)
                    block = InvertedResidual(*shape, squeezed, nn.silu, nn.silu, nn.sigmoid, *layers, name=name)
                x, done = block(x, train=train), done + 1
            outputs[f"features.{stage}"] = x
        last = f"features.{len(counts) + 1}"
        x = conv(self.last or 4 * x.shape[-1], (1, 1), name=f"{last}.0")(x)
        x = nn.silu(norm(name=f"{last}.1")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        uniform = initializers.uniform(self.num_classes**-0.5)
        dense = Dense(self.num_classes, dtype=self.dtype, kernel_init=uniform, bias_init=zeros, name="classifier.1")
        logits = dense(x).astype(jnp.float32)
        return (logits, outputs) if features else logits


efficientnet_b0 = partial(EfficientNet, 1.0, 1.0, 0.2)
efficientnet_b1 = partial(EfficientNet, 1.0, 1.1, 0.2)
efficientnet_b2 = partial(EfficientNet, 1.1, 1.2, 0.3)
efficientnet_b3 = partial(EfficientNet, 1.2, 1.4, 0.3)
efficientnet_b4 = partial(EfficientNet, 1.4, 1.8, 0.4)
efficientnet_b5 = partial(EfficientNet, 1.6, 2.2, 0.4, momentum=0.01, epsilon=1e-3)
efficientnet_b6 = partial(EfficientNet, 1.8, 2.6, 0.5, momentum=0.01, epsilon=1e-3)
efficientnet_b7 = partial(EfficientNet, 2.0, 3.1, 0.5, momentum=0.01, epsilon=1e-3)
efficientnet_v2_s = partial(EfficientNet, 1.0, 1.0, 0.2, V2_S, 3, 24, 1280, epsilon=1e-3)
efficientnet_v2_m = partial(EfficientNet, 1.0, 1.0, 0.3, V2_M, 3, 24, 1280, epsilon=1e-3)
efficientnet_v2_l = partial(EfficientNet, 1.0, 1.0, 0.4, V2_L, 3, 32, 1280, epsilon=1e-3)
