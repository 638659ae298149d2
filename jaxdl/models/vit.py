"""Vision transformers (Dosovitskiy et al. 2020): an image as a sequence of patches.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, initializers

CUBIC = -0.75  # the slope at 1 of PyTorch's bicubic kernel; that of ``jax.image`` is -0.5


class SelfAttention(nn.Module):
    """``torch.nn.MultiheadAttention`` of a sequence with itself, batch first.

    The projections to queries, keys and values are one parameter, ``in_proj_weight: [3D, D]``, laid out as in PyTorch.
    """

    heads: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[B, N, D]; returns float[B, N, D]."""
        batch, tokens, width = x.shape
        weight = self.param("in_proj_weight", initializers.kernel("xavier_uniform"), (3 * width, width))
        bias = self.param("in_proj_bias", nn.initializers.zeros, (3 * width,))
        projected = jnp.einsum("bni,oi->bno", x, weight.astype(self.dtype)) + bias.astype(self.dtype)[None, None]
        projected = projected.reshape(batch, tokens, 3 * self.heads, width // self.heads)
        attended = jax.nn.dot_product_attention(*jnp.split(projected, 3, axis=2)).reshape(x.shape)
        return Dense(width, dtype=self.dtype, bias_init=nn.initializers.zeros, name="out_proj")(attended)


class EncoderLayer(nn.Module):
    """Self-attention and two linear layers, the first to four times the width; a norm before both, shortcuts beside.

    layer_scale: the value from which each feature's factor on both branches starts (Touvron et al. 2021), 0 for none.
    """

    heads: int
    dropout: float = 0.0
    layer_scale: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, N, D]; returns float[B, N, D]."""
        norm = partial(nn.LayerNorm, epsilon=1e-6, dtype=self.dtype)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        dense = partial(
            Dense,
            dtype=self.dtype,
            kernel_init=initializers.kernel("xavier_uniform"),
            bias_init=initializers.normal(1e-6),
        )
        y = SelfAttention(self.heads, self.dtype, name="self_attention")(norm(name="ln_1")(x))
        x = x + self._scaled(drop(y), "layer_scale_1")
        y = drop(nn.gelu(dense(4 * x.shape[-1], name="mlp.0")(norm(name="ln_2")(x)), approximate=False))
        return x + self._scaled(drop(dense(x.shape[-1], name="mlp.3")(y)), "layer_scale_2")

    def _scaled(self, x: jax.Array, name: str) -> jax.Array:
        if not self.layer_scale:
            return x
        scale = self.param(name, nn.initializers.constant(self.layer_scale), (x.shape[-1],))
        return x * scale.astype(self.dtype)[None, None]


class Encoder(nn.Module):
    """The position embedding added, then ``registers`` put behind the first token, ``depth`` layers and a norm."""

    depth: int
    heads: int
    dropout: float = 0.0
    layer_scale: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, registers: jax.Array | None = None, *, train: bool
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, 1 + patches, D]; registers: float[B, R, D], tokens without a position. Returns float[B, 1 + R +
        patches, D], and each layer's output by name."""
        shape = (1, *x.shape[1:])
        if self.has_variable("params", "pos_embedding"):
            expected = self.get_variable("params", "pos_embedding").shape
            if shape != expected:
                raise UserError(
                    f"the position embedding is for {expected[1] - 1} patches and the images have {shape[1] - 1}: "
                    "give images of the size it was made for, or bring it to theirs with resize_position_embedding."
                )
        x = x + self.param("pos_embedding", initializers.normal(0.02), shape).astype(self.dtype)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        if registers is not None:
            x = jnp.concatenate([x[:, :1], registers, x[:, 1:]], axis=1)
        layers = {}
        for index in range(self.depth):
            name = f"encoder_layer_{index}"
            layer = EncoderLayer(self.heads, self.dropout, self.layer_scale, self.dtype, name=f"layers.{name}")
            x = layer(x, train=train)
            layers[name] = x
        return nn.LayerNorm(epsilon=1e-6, dtype=self.dtype, name="ln")(x), layers


class VisionTransformer(nn.Module):
    """Patches made tokens by one linear layer, a class token before them, an encoder, one linear layer on that token.

    patch: the side of a patch in pixels; depth, heads, width: the encoder's layers, and the heads and features of each.
    dropout: the fraction dropped of the embedded tokens, after attention and after each linear layer of the encoder, in
    training; takes the key "dropout".
    layer_scale: the value from which each feature's factor on every branch starts, 0 for none; registers: how many
    learned tokens without a position are beside the patches (Darcet et al. 2023). DINOv2 has both.
    stem: "imagenet"; or "cifar", for images of 32 pixels, where patches are a quarter as wide and high; of those of 14
    pixels, 4.
    The position embedding is as long as the images given to ``init`` have patches.
    """

    patch: int
    depth: int
    heads: int
    width: int
    dropout: float = 0.0
    layer_scale: float = 0.0
    registers: int = 0
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also the tokens after each layer,
        float[B, 1 + registers + patches, width]. Raises UserError for an unknown stem, for sides that the patch does
        not divide, and for another number of patches than ``init`` saw."""
        zeros = nn.initializers.zeros
        side = (self.patch + 2) // 4 if is_cifar(self.stem) else self.patch
        # torchvision cuts this normal at +-2, which is more than ten deviations
        normal = initializers.kernel("he_normal", gain=1.0)
        conv = Conv(
            self.width,
            (side, side),
            stride=side,
            dtype=self.dtype,
            kernel_init=normal,
            bias_init=zeros,
            name="conv_proj",
        )
        patches = conv(x)
        batch, rows, columns, _ = patches.shape
        if (rows * side, columns * side) != x.shape[1:3]:
            raise UserError(f"x must have a height and width that {side} divides, the patch's; got shape {x.shape}.")
        token = self.param("class_token", zeros, (1, 1, self.width)).astype(self.dtype)
        token = jnp.broadcast_to(token, (batch, 1, self.width))
        x = jnp.concatenate([token, patches.reshape(batch, rows * columns, self.width)], axis=1)
        registers = None
        if self.registers:
            shape = (1, self.registers, self.width)
            registers = self.param("register_tokens", initializers.normal(1e-6), shape).astype(self.dtype)
            registers = jnp.broadcast_to(registers, (batch, *shape[1:]))
        encoder = Encoder(self.depth, self.heads, self.dropout, self.layer_scale, self.dtype, name="encoder")
        x, layers = encoder(x, registers, train=train)
        # zeros, as in torchvision: logits begin at 0, and the first step trains this layer alone
        head = Dense(self.num_classes, dtype=self.dtype, kernel_init=zeros, bias_init=zeros, name="heads.head")
        logits = head(x[:, 0]).astype(jnp.float32)
        return (logits, layers) if features else logits


def resize_position_embedding(embedding: jax.Array, size: tuple[int, int], new_size: tuple[int, int]) -> jax.Array:
    """The position embedding for images of another size: float[1, 1 + h w, D] -> float[1, 1 + h' w', D].

    size, new_size: (h, w) and (h', w'), in patches. The class token's is kept; the grid is interpolated bicubically,
    with aligned corners, as by torchvision's ``vision_transformer.interpolate_embeddings``, which takes squares only.
    Raises UserError where ``size`` is not that of the embedding, or a size is not positive.
    """
    if min(*size, *new_size) < 1 or embedding.ndim != 3 or embedding.shape[:2] != (1, 1 + size[0] * size[1]):
        raise UserError(
            f"sizes must be of at least one patch, and the embedding [1, 1 + h * w, D]; got an embedding of shape "
            f"{embedding.shape}, size {tuple(size)} and new_size {tuple(new_size)}."
        )
    rows, columns = (jnp.asarray(_bicubic(*sizes), embedding.dtype) for sizes in zip(size, new_size, strict=True))
    token, grid = embedding[:, :1], embedding[:, 1:].reshape(*size, -1)
    grid = jnp.einsum("oh,pw,hwd->opd", rows, columns, grid, precision=jax.lax.Precision.HIGHEST)
    return jnp.concatenate([token, grid.reshape(1, new_size[0] * new_size[1], -1)], axis=1)


def _bicubic(size: int, new_size: int) -> np.ndarray:
    """Bicubic weight of each of ``size`` points in each of ``new_size`` over the same span: [new_size, size]."""
    steps = max(new_size - 1, 1)
    below, rest = np.divmod(np.arange(new_size) * (size - 1) if new_size > 1 else np.zeros(1, int), steps)
    weights = np.zeros((new_size, size))
    for step in (-1, 0, 1, 2):
        x = np.abs(step - rest / steps)
        near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
        far = CUBIC * (((x - 5) * x + 8) * x - 4)
        weights[np.arange(new_size), np.clip(below + step, 0, size - 1)] += np.where(x < 1, near, far)
    return weights


vit_b_16 = partial(VisionTransformer, 16, 12, 12, 768)
vit_b_32 = partial(VisionTransformer, 32, 12, 12, 768)
vit_l_16 = partial(VisionTransformer, 16, 24, 16, 1024)
vit_l_32 = partial(VisionTransformer, 32, 24, 16, 1024)
vit_h_14 = partial(VisionTransformer, 14, 32, 16, 1280)
# DINOv2's (Oquab et al. 2023): smaller patches, factors on branches, and with "_reg" four registers
dinov2_vits14 = partial(VisionTransformer, 14, 12, 6, 384, layer_scale=1e-5)
dinov2_vitb14 = partial(VisionTransformer, 14, 12, 12, 768, layer_scale=1e-5)
dinov2_vitl14 = partial(VisionTransformer, 14, 24, 16, 1024, layer_scale=1e-5)
dinov2_vits14_reg = partial(dinov2_vits14, registers=4)
dinov2_vitb14_reg = partial(dinov2_vitb14, registers=4)
dinov2_vitl14_reg = partial(dinov2_vitl14, registers=4)
