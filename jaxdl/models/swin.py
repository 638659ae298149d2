"""Swin transformers (Liu et al. 2021): attention within windows that every other block shifts by half a window.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Mapping
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.models.window_attention import attention, join, position_bias, relative_position_index, split
from jaxdl.nn import Conv, Dense, StochasticDepth, global_average_pool, initializers

PATCH = 4  # pixels
BARRED = -100.0  # added to the score of two places that only the shift brought into one window; torchvision's
EPSILON = 1e-5  # of every norm
normal = initializers.normal(0.02)  # torchvision cuts it at +-2, which is a hundred deviations
zeros = nn.initializers.zeros
dense = partial(Dense, kernel_init=normal, bias_init=zeros)


class ShiftedWindowAttention(nn.Module):
    """Multi-head self-attention within windows, after the image was rolled by ``shift`` places up and left.

    The image is padded with zeros, below and on the right, to whole windows. An axis that one window spans is not
    rolled. Places that meet in a window only because the image was rolled do not attend to each other.
    heads; window, shift: in places; dropout: of the output; attention_dropout: of the weights.
    """

    heads: int
    window: int
    shift: int
    dropout: float = 0.0
    attention_dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, C]; returns float[B, H, W, C]."""
        _, height, width, channels = x.shape
        x = jnp.pad(x, ((0, 0), (0, -height % self.window), (0, -width % self.window), (0, 0)))
        padded = x.shape[1:3]
        down, right = (self.shift if self.window < side else 0 for side in padded)
        x = split(jnp.roll(x, (-down, -right), (1, 2)), self.window)
        projected = self.projected(x)
        projected = projected.reshape(*x.shape[:3], 3, self.heads, channels // self.heads)
        query, key, value = (projected[..., index, :, :] for index in range(3))
        query, key = self.scaled(query, key)
        bias = self.bias()[None]
        if down or right:
            barred = _barred(padded, (down, right), self.window)
            bias = bias + jnp.asarray(np.where(barred, BARRED, 0.0)[:, None], bias.dtype)
        drop = nn.Dropout(self.attention_dropout, deterministic=not train)
        x = dense(channels, dtype=self.dtype, name="proj")(attention(query, key, value, bias, drop=drop))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = jnp.roll(join(x, *padded), (down, right), (1, 2))
        return x[:, :height, :width]

    def projected(self, x: jax.Array) -> jax.Array:
        """Queries, keys and values: float[..., C] -> float[..., 3 C]."""
        return dense(3 * x.shape[-1], dtype=self.dtype, name="qkv")(x)

    def scaled(self, query: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Queries and keys whose products are the scores."""
        return query * query.shape[-1] ** -0.5, key

    def bias(self) -> jax.Array:
        """The bias of each two places: float[heads, N, N]."""
        table = self.param("relative_position_bias_table", normal, ((2 * self.window - 1) ** 2, self.heads))
        return position_bias(table, self.window)


class SwinBlock(nn.Module):
    """Windowed attention and two linear layers, the first to four times the width; a norm each, shortcuts beside.

    drop_rate: stochastic depth: the fraction of examples that in training keep only a shortcut (Huang et al. 2016).
    The other fields are the attention's; ``dropout`` is also that after both linear layers.
    """

    heads: int
    window: int
    shift: int
    drop_rate: float = 0.0
    dropout: float = 0.0
    attention_dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    attention_kind = ShiftedWindowAttention

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, C]; returns float[B, H, W, C]."""
        norm = partial(nn.LayerNorm, epsilon=EPSILON, dtype=self.dtype)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        drop_branch = partial(StochasticDepth(self.drop_rate), train=train)
        rates = self.dropout, self.attention_dropout
        attend = self.attention_kind(self.heads, self.window, self.shift, *rates, self.dtype, name="attn")

        def perceptron(x: jax.Array) -> jax.Array:
            y = nn.gelu(dense(4 * x.shape[-1], dtype=self.dtype, name="mlp.0")(x), approximate=False)
            return drop(dense(x.shape[-1], dtype=self.dtype, name="mlp.3")(drop(y)))

        x = x + drop_branch(self.normed(norm(name="norm1"), partial(attend, train=train), x))
        return x + drop_branch(self.normed(norm(name="norm2"), perceptron, x))

    def normed(self, norm: nn.Module, branch: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
        """The branch of ``x`` with its norm, here before it."""
        return branch(norm(x))


class PatchMerging(nn.Module):
    """Each 2x2 places made one of twice the features by one linear layer; odd sides are padded with zeros."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[B, H, W, C]; returns float[B, ceil(H / 2), ceil(W / 2), 2 C]."""
        _, height, width, channels = x.shape
        x = jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
        x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, channels)
        x = x.transpose(0, 1, 3, 4, 2, 5).reshape(len(x), x.shape[1], x.shape[3], 4 * channels)  # columns before rows
        norm = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="norm")
        return self.normed(norm, dense(2 * channels, use_bias=False, dtype=self.dtype, name="reduction"), x)

    def normed(self, norm: nn.Module, reduction: nn.Module, x: jax.Array) -> jax.Array:
        """The linear layer of ``x`` with its norm, here before it."""
        return reduction(norm(x))


class SwinTransformer(nn.Module):
    """Patches made features by one linear layer, four stages of blocks with a merging of patches between them, a norm,
    the mean, one linear layer.

    width: the first stage's features, which double at each merging; depths, heads: of each stage, its blocks and the
    heads of each.
    stochastic_depth: the last block's rate; those before it rise to it from 0. Takes the key "dropout".
    window: the side of a window, in patches.
    dropout: the fraction dropped after attention and after each linear layer of the blocks; attention_dropout: of the
    weights of attention.
    stem: "imagenet", patches of 4x4 pixels; or "cifar", for images of 32 pixels, where a patch is one pixel and windows
    are half as wide and high, rounded up: windows of 4 divide every stage.
    Images may have any size; where a side is no multiple of 4, its last pixels are not seen, as in torchvision.
    """

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    stochastic_depth: float
    window: int = 7
    dropout: float = 0.0
    attention_dropout: float = 0.0
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    block_kind = SwinBlock
    merging_kind = PatchMerging

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output. Raises
        UserError for an unknown stem and for images smaller than a patch."""
        side = 1 if is_cifar(self.stem) else PATCH
        norm = partial(nn.LayerNorm, epsilon=EPSILON, dtype=self.dtype)
        x = Conv(self.width, (side, side), stride=side, dtype=self.dtype, name="features.0.0")(x)
        x = norm(name="features.0.2")(x)
        stages, done = {}, 0
        for stage, (depth, heads) in enumerate(zip(self.depths, self.heads, strict=True)):
            if stage:
                x = self.merging_kind(self.dtype, name=f"features.{2 * stage}")(x)
            for index in range(depth):
                block = self.block_kind(
                    heads,
                    self.side_of_windows,
                    index % 2 * (self.side_of_windows // 2),
                    self.stochastic_depth * done / max(sum(self.depths) - 1, 1),
                    self.dropout,
                    self.attention_dropout,
                    self.dtype,
                    name=f"features.{2 * stage + 1}.{index}",
                )
                x, done = block(x, train=train), done + 1
            stages[f"features.{2 * stage + 1}"] = x
        x = global_average_pool(norm(name="norm")(x))
        logits = dense(self.num_classes, dtype=self.dtype, name="head")(x).astype(jnp.float32)
        return (logits, stages) if features else logits

    @property
    def side_of_windows(self) -> int:
        """The side of a window that the stem makes of ``window``."""
        return (self.window + 1) // 2 if is_cifar(self.stem) else self.window

    @property
    def pytorch_buffers(self) -> Mapping[str, np.ndarray]:
        """Arrays of a ``state_dict`` that are computed, not learned, for ``transfer.conversion``."""
        index = relative_position_index(self.side_of_windows).reshape(-1)
        return {f"{name}.relative_position_index": index for name in self._attentions()}

    def _attentions(self) -> list[str]:
        counts = enumerate(self.depths)
        return [f"features.{2 * stage + 1}.{index}.attn" for stage, depth in counts for index in range(depth)]


def _barred(size: tuple[int, int], shift: tuple[int, int], window: int) -> np.ndarray:
    """Of an image of that size, rolled by ``shift``, the pairs of places of each window that were not beside each other
    before: bool[windows, N, N]."""
    crossed = [np.arange(side) >= side - step for side, step in zip(size, shift, strict=True)]
    came = np.add.outer(2 * crossed[0], crossed[1])  # from inside, over the left or upper edge, or over both
    came = np.asarray(came).reshape(size[0] // window, window, size[1] // window, window)
    came = came.swapaxes(1, 2).reshape(-1, window**2)
    return came[:, :, None] != came[:, None, :]


swin_t = partial(SwinTransformer, 96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2)
swin_s = partial(SwinTransformer, 96, (2, 2, 18, 2), (3, 6, 12, 24), 0.3)
swin_b = partial(SwinTransformer, 128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5)
