"""MNASNet B1 (Tan et al. 2019): inverted residuals whose windows, widths and numbers a search for phones chose.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.inverted_residual import round_channels
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers

FIRST = (32, 16)  # features of the separable convolution that comes first
# of each stage: expansion, window, the first block's stride, features, how many blocks
STAGES = ((3, 3, 2, 24, 3), (3, 5, 2, 40, 3), (6, 5, 2, 80, 3), (6, 3, 1, 96, 2), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
MOMENTUM = 1 - 0.9997  # of batch norm, in PyTorch's sense


class SearchedBottleneck(nn.Module):
    """1x1 convolution to ``expansion`` times the channels, depthwise, 1x1 without activation; a shortcut where the
    shape stays.

    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    kernel_size: int
    stride: int
    expansion: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels, window = x.shape[-1], (self.kernel_size, self.kernel_size)
        wide = channels * self.expansion
        depthwise = partial(self.conv, stride=self.stride, padding=self.kernel_size // 2, groups=wide)
        y = nn.relu(self.norm(name="layers.1")(self.conv(wide, (1, 1), name="layers.0")(x)))
        y = nn.relu(self.norm(name="layers.4")(depthwise(wide, window, name="layers.3")(y)))
        y = self.norm(name="layers.7")(self.conv(self.features, (1, 1), name="layers.6")(y))
        return x + y if self.stride == 1 and channels == self.features else y


class MNASNet(nn.Module):
    """A separable 3x3 convolution, six stages of bottlenecks, a 1x1 convolution to 1280 features, their mean, one
    linear layer.

    width: features are multiplied by it. scaled_stem: those of the separable convolution, too; if False, they are 32
    and 16 at any width, as in the files of torchvision's first version of these networks.
    dropout: the fraction dropped before the linear layer in training; takes the key "dropout".
    stem: "imagenet", which divides the resolution by 32 in all; or "cifar", for images of 32 pixels, where the first
    two strided convolutions have stride 1; the parameters are the same.
    """

    width: float
    num_classes: int = 10
    dropout: float = 0.2
    scaled_stem: bool = True
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output. In
        training needs a key named "dropout". Raises UserError for an unknown stem."""
        he = initializers.kernel("he_normal", fan="fan_out")
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=he)
        norm = batch_norm(train=train, momentum=MOMENTUM, dtype=self.dtype)
        cifar = is_cifar(self.stem)
        wide, narrow = (round_channels(each * self.width) if self.scaled_stem else each for each in FIRST)
        x = conv(wide, (3, 3), stride=1 if cifar else 2, padding=1, name="layers.0")(x)
        x = nn.relu(norm(name="layers.1")(x))
        x = nn.relu(norm(name="layers.4")(conv(wide, (3, 3), padding=1, groups=wide, name="layers.3")(x)))
        x = norm(name="layers.7")(conv(narrow, (1, 1), name="layers.6")(x))
        stages = {}
        for stage, (expansion, window, stride, base, count) in enumerate(STAGES, start=8):
            for index in range(count):
                step = stride if index == 0 and not (cifar and stage == 8) else 1
                shape = (round_channels(base * self.width), window, step, expansion)
                x = SearchedBottleneck(*shape, conv, norm, name=f"layers.{stage}.{index}")(x)
            stages[f"layers.{stage}"] = x
        x = nn.relu(norm(name="layers.15")(conv(1280, (1, 1), name="layers.14")(x)))
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        dense = Dense(
            self.num_classes,
            dtype=self.dtype,
            kernel_init=initializers.kernel("he_uniform", gain=1.0, fan="fan_out"),
            bias_init=nn.initializers.zeros,
            name="classifier.1",
        )
        logits = dense(x).astype(jnp.float32)
        return (logits, stages) if features else logits


mnasnet0_5 = partial(MNASNet, 0.5)
mnasnet0_75 = partial(MNASNet, 0.75)
mnasnet1_0 = partial(MNASNet, 1.0)
mnasnet1_3 = partial(MNASNet, 1.3)
