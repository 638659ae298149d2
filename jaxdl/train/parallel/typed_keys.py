"""Typed keys as plain arrays: ``pmap`` would transfer typed ones between processes through the host."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from jaxdl.processes import on_host


@flax.struct.dataclass
class KeyData:
    """The array in a key, and the kind of key it is."""

    data: jax.Array
    implementation: Any = flax.struct.field(pytree_node=False)


def unwrap_keys(tree: Any) -> Any:
    """``tree`` with keys replaced by their ``KeyData``."""

    def data_of(leaf: Any) -> Any:
        is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return KeyData(jax.random.key_data(leaf), jax.random.key_impl(leaf)) if is_key else leaf

    return jax.tree.map(data_of, tree)


def wrap_keys(tree: Any) -> Any:
    """The inverse of ``bare``."""

    def key_of(leaf: Any) -> Any:
        return jax.random.wrap_key_data(leaf.data, impl=leaf.implementation) if isinstance(leaf, KeyData) else leaf

    return jax.tree.map(key_of, tree, is_leaf=lambda leaf: isinstance(leaf, KeyData))


def fetched(tree: Any) -> Any:
    """``tree`` on the host, its arrays whole; keys stay keys, of this process alone."""
    return wrap_keys(jax.tree.map(on_host, unwrap_keys(tree)))
