"""MaxViT (Tu et al. 2022): an inverted residual, attention within windows, attention within grids, and that again.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Mapping
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.models.inverted_residual import SqueezeExcitation
from jaxdl.models.stems import is_cifar
from jaxdl.models.window_attention import attention, join, position_bias, relative_position_index, split
from jaxdl.nn import Conv, Dense, StochasticDepth, average_pool, batch_norm, global_average_pool, initializers

HEAD = 32  # features
EXPANSION = 4  # of the inverted residual, and of the linear layers after attention
normal = initializers.normal(0.02)
zeros = nn.initializers.zeros
dense = partial(Dense, kernel_init=normal, bias_init=zeros)
gelu = partial(nn.gelu, approximate=False)


class MBConv(nn.Module):
    """A norm, 1x1 convolution to four times ``features``, depthwise 3x3, squeeze-excitation, 1x1; a shortcut beside.

    stride: the depthwise convolution's; the shortcut is averaged where it is 2. project: whether a 1x1 convolution is
    on the shortcut.
    drop_rate: stochastic depth: the fraction of examples that in training keep only the shortcut (Huang et al. 2016).
    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    stride: int
    project: bool
    drop_rate: float
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, C]; returns float[B, H / stride, W / stride, features]."""
        shortcut, expanded = x, EXPANSION * self.features
        if self.stride > 1:
            shortcut = average_pool(x, 3, stride=self.stride, padding=1)
        if self.project:
            shortcut = self.conv(self.features, (1, 1), name="proj.1")(shortcut)
        x = self.norm(name="layers.pre_norm")(x)
        x = self.conv(expanded, (1, 1), use_bias=False, name="layers.conv_a.0")(x)
        x = gelu(self.norm(name="layers.conv_a.1")(x))
        x = self.conv(
            expanded, (3, 3), stride=self.stride, padding=1, groups=expanded, use_bias=False, name="layers.conv_b.0"
        )(x)
        x = gelu(self.norm(name="layers.conv_b.1")(x))
        squeezed, name = self.features // 4, "layers.squeeze_excitation"
        x = SqueezeExcitation(squeezed, nn.silu, nn.sigmoid, self.conv, name=name)(x)
        x = self.conv(self.features, (1, 1), name="layers.conv_c")(x)
        return shortcut + StochasticDepth(self.drop_rate)(x, train=train)


class RelativeAttention(nn.Module):
    """Multi-head self-attention within each group of side x side places, with a bias of relative position.

    Queries are divided by the root of all features, not of a head's, as in torchvision.
    """

    side: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[B, groups, side^2, C]; returns the same shape."""
        channels = x.shape[-1]
        heads = channels // HEAD
        projected = dense(3 * channels, dtype=self.dtype, name="to_qkv")(x).reshape(*x.shape[:3], 3, heads, HEAD)
        query, key, value = (projected[..., index, :, :] for index in range(3))
        table = self.param("relative_position_bias_table", normal, ((2 * self.side - 1) ** 2, heads))
        mixed = attention(query, key * channels**-0.5, value, position_bias(table, self.side)[None])
        return dense(channels, dtype=self.dtype, name="merge")(mixed)


class PartitionAttention(nn.Module):
    """Attention and two linear layers, the first to four times the width; a norm before both, shortcuts beside.

    partition: the side of the groups that attend to each other, in places. grid: whether a group is a grid of places
    spread over the image, as far apart as there are windows; else it is a window.
    dropout: after the second linear layer; attention_dropout: after attention; drop_rate: stochastic depth.
    """

    partition: int
    grid: bool
    drop_rate: float
    dropout: float = 0.0
    attention_dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, C], whose sides ``partition`` divides; returns the same shape."""
        _, height, width, channels = x.shape
        norm = partial(nn.LayerNorm, epsilon=1e-5, dtype=self.dtype)
        drop_branch = partial(StochasticDepth(self.drop_rate), train=train)
        x = _gathered(x, self.partition) if self.grid else x
        x = split(x, self.partition)
        y = RelativeAttention(self.partition, self.dtype, name="attn_layer.1")(norm(name="attn_layer.0")(x))
        x = x + drop_branch(nn.Dropout(self.attention_dropout, deterministic=not train)(y))
        y = dense(EXPANSION * channels, dtype=self.dtype, name="mlp_layer.1")(norm(name="mlp_layer.0")(x))
        y = dense(channels, dtype=self.dtype, name="mlp_layer.3")(gelu(y))
        x = x + drop_branch(nn.Dropout(self.dropout, deterministic=not train)(y))
        x = join(x, height, width)
        return _scattered(x, self.partition) if self.grid else x


class MaxViT(nn.Module):
    """Two 3x3 convolutions, four stages, the mean, and a perceptron whose hidden layer is a tangent.

    width: of the first convolutions; widths, depths: of each stage, its features and how often it repeats an inverted
    residual, attention within windows and attention within grids. Each stage halves the resolution at its start.
    stochastic_depth: the last layers' rate; those before rise to it from 0. Takes the key "dropout".
    partition: the side of a window and of a grid, in places.
    dropout: the fraction dropped after the second linear layer that follows attention; attention_dropout: after it.
    momentum, epsilon: of batch norm.
    stem: "imagenet", which divides the resolution by 32 in all; or "cifar", for images of 32 pixels, where the first
    two strides are 1 and windows half as wide and high, rounded up: 4.
    """

    width: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    stochastic_depth: float
    partition: int = 7
    dropout: float = 0.0
    attention_dropout: float = 0.0
    momentum: float = 0.01
    epsilon: float = 1e-3
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output. Raises
        UserError for an unknown stem, and unless ``partition`` divides the sides of every stage."""
        self._check_sides(x.shape)
        cifar = is_cifar(self.stem)
        conv = partial(Conv, dtype=self.dtype, kernel_init=normal, bias_init=zeros)
        norm = batch_norm(train=train, momentum=self.momentum, epsilon=self.epsilon, dtype=self.dtype)
        x = conv(self.width, (3, 3), stride=1 if cifar else 2, padding=1, use_bias=False, name="stem.0.0")(x)
        x = conv(self.width, (3, 3), padding=1, name="stem.1.0")(gelu(norm(name="stem.0.1")(x)))
        rates = iter(np.linspace(0.0, self.stochastic_depth, sum(self.depths)).tolist())
        attend = partial(
            PartitionAttention,
            self.side_of_partitions,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            dtype=self.dtype,
        )
        stages = {}
        for stage, (channels, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            for index in range(depth):
                name, first, rate = f"blocks.{stage}.layers.{index}.layers", index == 0, next(rates)
                stride = 2 if first and not (cifar and stage == 0) else 1
                x = MBConv(channels, stride, first, rate, conv, norm, name=f"{name}.MBconv")(x, train=train)
                for grid, kind in enumerate(("window_attention", "grid_attention")):
                    x = attend(grid=bool(grid), drop_rate=rate, name=f"{name}.{kind}")(x, train=train)
            stages[f"blocks.{stage}"] = x
        x = nn.LayerNorm(epsilon=1e-5, dtype=self.dtype, name="classifier.2")(global_average_pool(x))
        x = jnp.tanh(dense(x.shape[-1], dtype=self.dtype, name="classifier.3")(x))
        logits = dense(self.num_classes, use_bias=False, dtype=self.dtype, name="classifier.5")(x)
        logits = logits.astype(jnp.float32)
        return (logits, stages) if features else logits

    @property
    def side_of_partitions(self) -> int:
        """The side of windows and grids that the stem makes of ``partition``."""
        return (self.partition + 1) // 2 if is_cifar(self.stem) else self.partition

    @property
    def pytorch_buffers(self) -> Mapping[str, np.ndarray]:
        """Arrays of a ``state_dict`` that are computed, not learned, for ``transfer.conversion``."""
        index = relative_position_index(self.side_of_partitions)
        return {
            f"blocks.{stage}.layers.{at}.layers.{kind}_attention.attn_layer.1.relative_position_index": index
            for stage, depth in enumerate(self.depths)
            for at in range(depth)
            for kind in ("window", "grid")
        }

    def _check_sides(self, shape: tuple[int, ...]) -> None:
        first = 0 if is_cifar(self.stem) else 2  # halvings before the first attention
        halvings, side = range(first, first + len(self.depths)), self.side_of_partitions
        if any(-(-size // 2**times) % side for size in shape[1:3] for times in halvings):
            raise UserError(
                f"x must have a height and width of which every stage has a multiple of {side}, such as "
                f"{side * 2 ** halvings[-1]}; got shape {shape}."
            )


def _gathered(x: jax.Array, side: int) -> jax.Array:
    """The places of each grid of side x side brought into one window of that size: float[B, H, W, C], as is ``x``."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, side, height // side, side, width // side, channels)
    return x.transpose(0, 2, 1, 4, 3, 5).reshape(batch, height, width, channels)


def _scattered(x: jax.Array, side: int) -> jax.Array:
    """The inverse of ``_gathered``."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // side, side, width // side, side, channels)
    return x.transpose(0, 2, 1, 4, 3, 5).reshape(batch, height, width, channels)


maxvit_t = partial(MaxViT, 64, (64, 128, 256, 512), (2, 2, 5, 2), 0.2)
