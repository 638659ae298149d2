"""The leaves of a state by name, and as plain numbers: random keys are typed arrays, which files know nothing of."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def named(state: Any) -> dict[str, jax.Array]:
    """Every leaf of a tree by its path, joined by dots, in order; raises ValueError where two have one name."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    by_name = {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
    if len(by_name) < len(leaves):
        raise ValueError("two leaves of the state have the same name.")
    return by_name


def described(leaves: Mapping[str, jax.Array]) -> dict[str, str]:
    """Dtype and shape of each leaf, such as ``float32[64, 10]``."""
    return {name: f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]" for name, leaf in leaves.items()}


def data_of(leaf: jax.Array) -> jax.Array:
    """The leaf itself; for random keys, their key data, uint32[..., n], in the same sharding."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def with_data(leaf: jax.Array, data: jax.Array | None) -> jax.Array:
    """An array with ``data`` and the shape, dtype and sharding of ``leaf``, committed to its devices if ``leaf`` is.

    data: as from ``data_of``, in that sharding; None if it is empty. The values of ``leaf``, which may be donated, are
    not used.
    """
    if data is None:
        return jnp.zeros(leaf.shape, leaf.dtype, device=leaf.sharding if leaf.committed else None)
    if not leaf.committed:
        data = jnp.asarray(np.asarray(data))
    if not _is_key(leaf):
        return data
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
