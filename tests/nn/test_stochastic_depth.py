import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import StochasticDepth

KEYS = {"dropout": jax.random.key(0)}


@pytest.mark.parametrize("shape", [(400, 3), (400, 2, 3), (400, 2, 2, 3)])
def test_whole_examples_are_zeroed_and_the_others_scaled(rng, shape):
    x = rng.normal(size=shape).astype(np.float32)
    y = np.asarray(StochasticDepth(0.25).apply({}, x, train=True, rngs=KEYS))
    axes = tuple(range(1, len(shape)))
    gone = (y == 0).all(axes)
    assert 60 < gone.sum() < 140
    np.testing.assert_allclose(y[~gone], x[~gone] / 0.75, rtol=1e-6)


def test_evaluation_and_a_rate_of_0_leave_all_as_it_is_without_a_key(rng):
    x = rng.normal(size=(8, 3)).astype(np.float32)
    np.testing.assert_array_equal(StochasticDepth(0.5).apply({}, x, train=False), x)
    np.testing.assert_array_equal(StochasticDepth(0.0).apply({}, x, train=True), x)


def test_a_rate_of_1_leaves_nothing():
    assert not StochasticDepth(1.0).apply({}, jnp.ones((8, 3)), train=True, rngs=KEYS).any()


def test_draws_are_those_of_linens_layer_of_the_same_name():
    class Both(nn.Module):
        ours: bool

        @nn.compact
        def __call__(self, x):
            if self.ours:
                return StochasticDepth(0.5, name="drop")(x, train=True)
            return nn.Dropout(0.5, broadcast_dims=(1, 2, 3), deterministic=False, name="drop")(x)

    x = jnp.ones((64, 2, 2, 3))
    ours, linens = (Both(kind).apply({}, x, rngs=KEYS) for kind in (True, False))
    np.testing.assert_array_equal(ours, linens)


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_a_rate_out_of_range_is_a_user_error(rate):
    with pytest.raises(UserError, match="rate must be from 0 to 1"):
        StochasticDepth(rate).apply({}, jnp.ones((8, 3)), train=True, rngs=KEYS)
