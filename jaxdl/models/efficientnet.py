"""EfficientNet b0 to b7 (Tan and Le 2019): one network, its width and depth scaled together.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.inverted_residual import InvertedResidual, round_channels
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers

# of each stage of b0: expansion, window, the first block's stride, features, how many blocks
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
STOCHASTIC_DEPTH = 0.2


class EfficientNet(nn.Module):
    """A 3x3 convolution, seven stages of inverted residuals, a 1x1 convolution to four times the features, their mean,
    one linear layer.

    width, depth: b0's features and blocks a stage are multiplied by them.
    dropout: before the linear layer.
    momentum, epsilon: of batch norm.
    stem: "imagenet", which divides the resolution by 32 in all; or "cifar", for images of 32 pixels, where the first
    two strided convolutions, the stem's and that of stage two, have stride 1; the parameters are the same.
    """

    width: float
    depth: float
    dropout: float
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
        x = conv(round_channels(32 * self.width), (3, 3), stride=1 if cifar else 2, padding=1, name="features.0.0")(x)
        x = nn.silu(norm(name="features.0.1")(x))
        counts = [math.ceil(row[-1] * self.depth) for row in STAGES]
        stages, done = {}, 0
        for stage, (expansion, window, stride, base, _) in enumerate(STAGES, start=1):
            for index in range(counts[stage - 1]):
                channels = x.shape[-1]
                block = InvertedResidual(
                    round_channels(base * self.width),
                    window,
                    stride if index == 0 and not (cifar and stage == 2) else 1,
                    channels * expansion,
                    max(1, channels // 4),
                    nn.silu,
                    nn.silu,
                    nn.sigmoid,
                    conv,
                    norm,
                    STOCHASTIC_DEPTH * done / sum(counts),
                    name=f"features.{stage}.{index}",
                )
                x, done = block(x, train=train), done + 1
            stages[f"features.{stage}"] = x
        x = nn.silu(norm(name="features.8.1")(conv(4 * x.shape[-1], (1, 1), name="features.8.0")(x)))
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        uniform = initializers.uniform(self.num_classes**-0.5)
        dense = Dense(self.num_classes, dtype=self.dtype, kernel_init=uniform, bias_init=zeros, name="classifier.1")
        logits = dense(x).astype(jnp.float32)
        return (logits, stages) if features else logits


efficientnet_b0 = partial(EfficientNet, 1.0, 1.0, 0.2)
efficientnet_b1 = partial(EfficientNet, 1.0, 1.1, 0.2)
efficientnet_b2 = partial(EfficientNet, 1.1, 1.2, 0.3)
efficientnet_b3 = partial(EfficientNet, 1.2, 1.4, 0.3)
efficientnet_b4 = partial(EfficientNet, 1.4, 1.8, 0.4)
efficientnet_b5 = partial(EfficientNet, 1.6, 2.2, 0.4, momentum=0.01, epsilon=1e-3)
efficientnet_b6 = partial(EfficientNet, 1.8, 2.6, 0.5, momentum=0.01, epsilon=1e-3)
efficientnet_b7 = partial(EfficientNet, 2.0, 3.1, 0.5, momentum=0.01, epsilon=1e-3)
