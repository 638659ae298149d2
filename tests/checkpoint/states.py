"""Small train states with every kind of leaf, for tests of what happens to their files."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.train.state import TrainState


def small_state(step, *, place=lambda leaf: leaf):
    """A state whose every value depends on ``step``; ``place`` puts each leaf where it is to lie."""
    rng = np.random.default_rng(step)

    def values(dtype, *shape):
        return jnp.asarray(rng.normal(0, 100, shape)).astype(dtype)

    state = TrainState(
        params={"dense": {"kernel": values("float32", 64, 48), "bias": values("bfloat16", 8)}},
        batch_stats={"mean": values("float16", 16), "none": jnp.zeros((0, 8))},
        opt_state=(optax.EmptyState(), {"count": jnp.int32(step), "mask": values("float32", 8) > 0}),
        step=jnp.int32(step),
        key=jax.random.key(step),
        frozen={"params": {"codes": values("uint8", 24), "keys": jax.random.split(jax.random.key(step), 8)}},
    )
    return jax.tree.map(place, state)


def assert_same(a, b):
    """Bit for bit, type for type."""

    def same(x, y):
        assert x.dtype == y.dtype
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()

    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(same, a, b)
