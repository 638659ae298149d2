"""RegNet x, and y with squeeze-excitation (Radosavovic et al. 2020): widths along a rounded line, from four numbers.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import math
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.models.inverted_residual import SqueezeExcitation, round_channels
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, global_average_pool, initializers


class RegNetBlock(nn.Module):
    """A 3x3 convolution in groups between two of 1x1, all of ``features``, beside a shortcut.

    project: whether the shortcut is a 1x1 convolution, as where the shape changes.
    group: channels of each group. squeezed: features within the squeeze-excitation, 0 for none.
    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    stride: int
    project: bool
    group: int
    squeezed: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        grouped = partial(self.conv, stride=self.stride, padding=1, groups=self.features // self.group)
        y = nn.relu(self.norm(name="f.a.1")(self.conv(self.features, (1, 1), name="f.a.0")(x)))
        y = nn.relu(self.norm(name="f.b.1")(grouped(self.features, (3, 3), name="f.b.0")(y)))
        if self.squeezed:
            y = SqueezeExcitation(self.squeezed, nn.relu, nn.sigmoid, self.conv, name="f.se")(y)
        y = self.norm(name="f.c.1")(self.conv(self.features, (1, 1), name="f.c.0")(y))
        if self.project:
            x = self.norm(name="proj.1")(self.conv(self.features, (1, 1), stride=self.stride, name="proj.0")(x))
        return nn.relu(x + y)


class RegNet(nn.Module):
    """A 3x3 convolution to 32 features, ``depth`` blocks in stages of one width, their mean, one linear layer.

    Block i is ``width + slope * i`` wide, rounded to a power of ``step`` times ``width`` and then to 8: blocks that
    come out equal are a stage, which halves the resolution. ``group``, at most the stage's width, divides it: widths
    are rounded to it last.
    squeeze: features within a block's squeeze-excitation as a fraction of those given to the block, 0 for none.
    stem: "imagenet", whose first convolution halves the resolution; or "cifar", for images of 32 pixels, where it and
    the first stage have stride 1; the parameters are the same.
    """

    depth: int
    width: int
    slope: float
    step: float
    group: int
    squeeze: float = 0.0
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output.
        Raises UserError for an unknown stem, and for numbers that make no line of growing widths."""
        if self.width < 8 or self.slope < 0 or self.step <= 1 or self.group < 1:
            raise UserError(
                "width must be at least 8, slope at least 0, step greater than 1 and group at least 1; got "
                f"{self.width}, {self.slope}, {self.step} and {self.group}."
            )
        he = initializers.kernel("he_normal", fan="fan_out")
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=he)
        norm = batch_norm(train=train, dtype=self.dtype)
        cifar = is_cifar(self.stem)
        x = conv(32, (3, 3), stride=1 if cifar else 2, padding=1, name="stem.0")(x)
        x = nn.relu(norm(name="stem.1")(x))
        stages, stage, index, before = {}, 0, 0, 0
        for block in range(self.depth):
            width = self._width(block)
            stage, index = (stage, index + 1) if width == before else (stage + 1, 0)
            group = min(self.group, width)
            block = RegNetBlock(
                round_channels(width, group),
                2 if index == 0 and not (cifar and stage == 1) else 1,
                index == 0,
                group,
                round(self.squeeze * x.shape[-1]),
                conv,
                norm,
                name=f"trunk_output.block{stage}.block{stage}-{index}",
            )
            stages[f"trunk_output.block{stage}"] = x = block(x)
            before = width
        dense = Dense(
            self.num_classes,
            dtype=self.dtype,
            kernel_init=initializers.normal(0.01),
            bias_init=nn.initializers.zeros,
            name="fc",
        )
        logits = dense(global_average_pool(x)).astype(jnp.float32)
        return (logits, stages) if features else logits

    def _width(self, block: int) -> int:
        """Features of the block, a multiple of 8."""
        steps = round(math.log(1 + self.slope * block / self.width) / math.log(self.step))
        return round(self.width * self.step**steps / 8) * 8


regnet_x_400mf = partial(RegNet, 22, 24, 24.48, 2.54, 16)
regnet_x_800mf = partial(RegNet, 16, 56, 35.73, 2.28, 16)
regnet_x_1_6gf = partial(RegNet, 18, 80, 34.01, 2.25, 24)
regnet_x_3_2gf = partial(RegNet, 25, 88, 26.31, 2.25, 48)
regnet_x_8gf = partial(RegNet, 23, 80, 49.56, 2.88, 120)
regnet_x_16gf = partial(RegNet, 22, 216, 55.59, 2.1, 128)
regnet_x_32gf = partial(RegNet, 23, 320, 69.86, 2.0, 168)
regnet_y_400mf = partial(RegNet, 16, 48, 27.89, 2.09, 8, 0.25)
regnet_y_800mf = partial(RegNet, 14, 56, 38.84, 2.4, 16, 0.25)
regnet_y_1_6gf = partial(RegNet, 27, 48, 20.71, 2.65, 24, 0.25)
regnet_y_3_2gf = partial(RegNet, 21, 80, 42.63, 2.66, 24, 0.25)
regnet_y_8gf = partial(RegNet, 17, 192, 76.82, 2.19, 56, 0.25)
regnet_y_16gf = partial(RegNet, 18, 200, 106.23, 2.48, 112, 0.25)
regnet_y_32gf = partial(RegNet, 20, 232, 115.89, 2.53, 232, 0.25)
regnet_y_128gf = partial(RegNet, 27, 456, 160.83, 2.52, 264, 0.25)
