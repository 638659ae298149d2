import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim, traced
from tests.programs import compiled

PARAMS = {"a": np.ones((3, 4), np.float32), "b": np.arange(4, dtype=np.float32)}


def test_call_gives_what_the_function_gives():
    def function(x, y):
        return {"zeros": jnp.zeros((2, 3)), "same": x, "copy": jnp.copy(y), "sum": x + y, "one": 1.0, "n": jnp.int32(7)}

    x, y = jnp.arange(3.0), jnp.ones(3)
    found, expected = traced.call(function, x, y), function(x, y)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert jnp.asarray(found[name]).dtype == jnp.asarray(value).dtype


@pytest.mark.parametrize(
    "optimizer",
    [optax.adamw(1e-3), optax.sgd(0.1, momentum=0.9), optax.lbfgs(), optim.create("muon", learning_rate=0.1)],
    ids=["adamw", "sgd", "lbfgs", "muon"],
)
def test_optimizer_states_need_no_program(optimizer):
    with compiled() as programs:
        found = traced.call(optimizer.init, PARAMS)
    assert not programs
    expected = optimizer.init(jax.tree.map(jnp.asarray, PARAMS))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), found, expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)


def test_outputs_are_computed_alone():
    jaxpr = jax.make_jaxpr(lambda key, x: (jnp.linalg.svd(x), jax.random.key_data(jax.random.fold_in(key, 3))))(
        jax.random.key(0), jnp.ones((3, 3))
    )
    (found,) = traced.outputs(jaxpr, [len(jaxpr.out_avals) - 1], jax.random.key(0), None)
    np.testing.assert_array_equal(found, jax.random.key_data(jax.random.fold_in(jax.random.key(0), 3)))


def test_arguments_are_those_that_an_output_depends_on():
    def function(x, y, z):
        shared = jax.nn.relu(x) + 1
        return shared * y, shared, jnp.zeros(3), z

    jaxpr = jax.make_jaxpr(function)(*[jnp.ones(3)] * 3)
    assert [traced.arguments_of(jaxpr, place) for place in range(4)] == [{0, 1}, {0}, set(), {2}]
