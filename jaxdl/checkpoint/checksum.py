"""Checksums of arrays that do not depend on where the arrays lie."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

UNSIGNED = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}


def checksums(arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """Checksum of each array, uint32[], a function of its values and their order only.

    arrays: of any shape, dtype (not complex; random keys as their data) and sharding. The checksum does not depend on
    how many devices or processes an array is divided over. A change to one 32-bit word always changes it; any other
    change is missed with probability 2**-32. Returned on the devices of the array, replicated.
    """
    # One program takes arrays of the same devices only.
    by_devices: dict[frozenset[jax.Device], list[int]] = {}
    for place, array in enumerate(arrays):
        by_devices.setdefault(frozenset(array.sharding.device_set), []).append(place)
    sums: dict[int, jax.Array] = {}
    for places in by_devices.values():
        sums.update(zip(places, _sums([arrays[place] for place in places]), strict=True))
    return [sums[place] for place in range(len(arrays))]


@jax.jit
def _sums(arrays: list[jax.Array]) -> list[jax.Array]:
    return [_sum(array) for array in arrays]


@jax.jit  # traced once for each shape
def _sum(array: jax.Array) -> jax.Array:
    words = array if array.dtype == jnp.bool_ else jax.lax.bitcast_convert_type(array, UNSIGNED[array.dtype.itemsize])
    words = words.astype(jnp.uint32)
    place = jnp.zeros(words.shape, jnp.uint32)
    for axis, size in enumerate(words.shape):
        place = place * jnp.uint32(size) + jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
    return jnp.sum(_mixed(words ^ place * jnp.uint32(0x9E3779B1)), dtype=jnp.uint32)


def _mixed(words: jax.Array) -> jax.Array:
    """uint32 to uint32, one to one, every bit of the result depending on every bit of the word: MurmurHash3's end."""
    words = (words ^ (words >> 16)) * jnp.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * jnp.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
