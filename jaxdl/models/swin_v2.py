"""Swin transformers, version 2 (Liu et al. 2022): scores are cosines, norms follow their layers, and the bias of a
relative position is a function of it, so that windows may differ between training and use.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.models.swin import PatchMerging, ShiftedWindowAttention, SwinBlock, SwinTransformer, dense, normal, zeros
from jaxdl.models.window_attention import position_bias

HIDDEN = 512  # features of the layer between a relative position and its bias
LARGEST_SCALE = math.log(100.0)  # of the scores, as a logarithm
SMALLEST_NORM = 1e-12  # by which a query or a key is divided


class Projections(nn.Module):
    """The linear layer to queries, keys and values, of which keys have no bias: it is a parameter that is not read."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[..., C]; returns float[..., 3 C]."""
        width = x.shape[-1]
        kernel = self.param("kernel", normal, (width, 3 * width)).astype(self.dtype)
        bias = self.param("bias", zeros, (3 * width,)).at[width : 2 * width].set(0.0).astype(self.dtype)
        return x.astype(self.dtype) @ kernel + bias.reshape(*(1,) * (x.ndim - 1), -1)


class CosineWindowAttention(ShiftedWindowAttention):
    """As version 1's, but scores are cosines times a learned scale of each head, at most 100; and two linear layers
    make the bias of a relative position from its logarithm."""

    def projected(self, x: jax.Array) -> jax.Array:
        """Queries, keys and values: float[..., C] -> float[..., 3 C]."""
        return Projections(self.dtype, name="qkv")(x)

    def scaled(self, query: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Queries and keys whose products are the scores."""
        scale = self.param("logit_scale", nn.initializers.constant(math.log(10.0)), (self.heads, 1, 1))
        scale = jnp.exp(jnp.minimum(scale, LARGEST_SCALE))[None, None, None, :, :, 0]
        return (_unit(query) * scale).astype(self.dtype), _unit(key).astype(self.dtype)

    def bias(self) -> jax.Array:
        """The bias of each two places: float[heads, N, N], from 0 to 16."""
        exact = jnp.promote_types(self.dtype, jnp.float32)
        x = dense(HIDDEN, dtype=exact, name="cpb_mlp.0")(jnp.asarray(relative_coords_table(self.window)))
        x = dense(self.heads, use_bias=False, dtype=exact, name="cpb_mlp.2")(nn.relu(x))
        return 16 * nn.sigmoid(position_bias(x.reshape(-1, self.heads), self.window))


class SwinBlockV2(SwinBlock):
    """As version 1's, but norms follow attention and linear layers."""

    attention_kind = CosineWindowAttention

    def normed(self, norm: nn.Module, branch: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
        """The branch of ``x`` with its norm, here after it."""
        return norm(branch(x))


class PatchMergingV2(PatchMerging):
    """As version 1's, but the norm follows the linear layer."""

    def normed(self, norm: nn.Module, reduction: nn.Module, x: jax.Array) -> jax.Array:
        """The linear layer of ``x`` with its norm, here after it."""
        return norm(reduction(x))


class SwinTransformerV2(SwinTransformer):
    """As version 1's, of blocks and mergings of version 2, and with wider windows.

    No parameter depends on ``window``: parameters trained with one may be used with another.
    """

    window: int = 8

    block_kind = SwinBlockV2
    merging_kind = PatchMergingV2

    @property
    def pytorch_buffers(self) -> Mapping[str, np.ndarray]:
        """Arrays of a ``state_dict`` that are computed, not learned, for ``transfer.conversion``."""
        table = relative_coords_table(self.side_of_windows)
        tables = {f"{name}.relative_coords_table": table for name in self._attentions()}
        return {**super().pytorch_buffers, **tables}


def relative_coords_table(window: int) -> np.ndarray:
    """Relative positions of places of a window, as the bias is a function of them: float32[1, 2 window - 1, 2 window -
    1, 2], logarithms that keep their sign, at most log2(9) / 3."""
    steps = np.arange(1 - window, window, dtype=np.float32) / np.float32(max(window - 1, 1)) * 8
    steps = np.sign(steps) * np.log2(np.abs(steps) + 1) / np.float32(3)
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)[None]


def _unit(x: jax.Array) -> jax.Array:
    """``x`` at length 1 along its last axis, as ``torch.nn.functional.normalize``, in float32 at least."""
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    # of padding a key is 0, where the derivative of a root is infinite
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), SMALLEST_NORM**2))


swin_v2_t = partial(SwinTransformerV2, 96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2)
swin_v2_s = partial(SwinTransformerV2, 96, (2, 2, 18, 2), (3, 6, 12, 24), 0.3)
swin_v2_b = partial(SwinTransformerV2, 128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5)
