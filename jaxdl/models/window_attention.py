"""Self-attention within square windows of an image, with a learned bias for the position of one place to another."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def split(x: jax.Array, window: int) -> jax.Array:
    """float[B, H, W, C] as windows: float[B, H / window * W / window, window^2, C], both row by row."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)
    return x.swapaxes(2, 3).reshape(batch, -1, window**2, channels)


def join(windows: jax.Array, height: int, width: int) -> jax.Array:
    """The inverse of ``split``: float[B, windows, window^2, C] -> float[B, height, width, C]."""
    batch, _, places, channels = windows.shape
    window = math.isqrt(places)
    x = windows.reshape(batch, height // window, width // window, window, window, channels)
    return x.swapaxes(2, 3).reshape(batch, height, width, channels)


def relative_position_index(window: int) -> np.ndarray:
    """The row of a table of (2 window - 1)^2 relative positions for each two places of a window: int64[N, N], N =
    window^2."""
    rows, columns = np.divmod(np.arange(window**2), window)
    down, right = (places[:, None] - places[None] + window - 1 for places in (rows, columns))
    return down * (2 * window - 1) + right


def position_bias(table: jax.Array, window: int) -> jax.Array:
    """Bias of each two places from a table of relative positions: float[(2 window - 1)^2, H] -> float[H, N, N]."""
    places = window**2
    return table[relative_position_index(window).reshape(-1)].T.reshape(-1, places, places)


def attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array,
    *,
    drop: Callable[[jax.Array], jax.Array] = lambda weights: weights,
) -> jax.Array:
    """softmax(query key^T + bias) value, for each window and head, of queries already scaled.

    query, key, value: float[B, windows, N, H, D]; bias: float[windows or 1, H, N, N]; drop: dropout of the weights.
    Returns float[B, windows, N, H D]. Scores and weights are computed in float32 at least.
    """
    exact = jnp.promote_types(query.dtype, jnp.float32)
    scores = jnp.einsum("bwqhd,bwkhd->bwhqk", query, key, preferred_element_type=exact)
    weights = drop(jax.nn.softmax(scores + bias[None].astype(exact)).astype(value.dtype))
    mixed = jnp.einsum("bwhqk,bwkhd->bwqhd", weights, value)
    return mixed.reshape(*mixed.shape[:3], -1)
