"""Maps side by side in one: a convolution of all is that of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models.packing import packing
from jaxdl.nn import Conv

PYRAMID = [(13, 17), (7, 9), (4, 5), (2, 3), (1, 2)]


@pytest.mark.parametrize("sizes", [PYRAMID, PYRAMID[:1], [(2, 9), (2, 9), (2, 9)], [(1, 1), (1, 1)]])
def test_convolutions_see_each_map_alone(rng, sizes):
    maps = [jnp.asarray(rng.normal(size=(2, *size, 3)), jnp.float32) for size in sizes]
    places, conv = packing(sizes), Conv(3, (3, 3), padding=1)
    variables = conv.init(jax.random.key(0), maps[0])

    def together(maps):
        x = places.packed(maps)
        for _ in range(3):
            x = jnp.where(places.inside, jax.nn.relu(conv.apply(variables, x)), 0)
        return places.unpacked(conv.apply(variables, x))

    def alone(x):
        for _ in range(3):
            x = jax.nn.relu(conv.apply(variables, x))
        return conv.apply(variables, x)

    found = jax.jit(together)(maps)
    for each, of_map in zip(found, maps, strict=True):
        np.testing.assert_allclose(each, alone(of_map), rtol=1e-5, atol=1e-6)


def test_maps_lie_apart_and_come_back(rng):
    maps = [jnp.asarray(rng.normal(size=(1, *size, 2)), jnp.float32) for size in PYRAMID]
    places = packing(PYRAMID)
    assert places.inside.sum() == sum(height * width for height, width in PYRAMID)
    for ours, theirs in zip(places.unpacked(places.packed(maps)), maps, strict=True):
        np.testing.assert_array_equal(ours, theirs)
