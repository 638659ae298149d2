import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError
from tests.optim.trajectories import assert_close, draw
from tests.pytorch import torch


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999, 1.0])
def test_average_equals_pytorchs(rng, decay):
    library = torch()
    averaging = library.optim.swa_utils
    params = draw(rng)
    leaves, structure = jax.tree.flatten(params)
    model = library.nn.ParameterList([library.nn.Parameter(library.tensor(leaf)) for leaf in leaves])
    averaged = averaging.AveragedModel(model, multi_avg_fn=averaging.get_ema_multi_avg_fn(decay))
    torch_optimizer = library.optim.SGD(model.parameters(), 0.05, 0.9)

    optimizer = optim.with_ema(optim.create("sgd", learning_rate=0.05, momentum=0.9), decay)

    @jax.jit
    def step(params, opt_state, time):
        updates, opt_state = optimizer.update(jax.tree.map(lambda p: p - jnp.cos(time), params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    opt_state = optimizer.init(params)
    assert_close(optim.ema_params(opt_state), params, 0.0)
    for time in range(50):
        params, opt_state = step(params, opt_state, float(time))
        for parameter in model.parameters():
            parameter.grad = parameter.detach() - np.cos(np.float32(time))
        torch_optimizer.step()
        averaged.update_parameters(model)
        theirs = [parameter.detach().numpy() for parameter in averaged.module.parameters()]
        assert_close(optim.ema_params(opt_state), jax.tree.unflatten(structure, theirs), 1e-5)


def test_wrapped_optimizer_updates_as_before_and_receives_extra_arguments(rng):
    def loss(params):
        return sum(jnp.sum(leaf**4) for leaf in jax.tree.leaves(params))

    params = jax.tree.map(jnp.asarray, draw(rng))
    plain = optim.create("lbfgs", learning_rate=1.0, max_iter=3)
    wrapped = optim.with_ema(plain, 0.9)
    gradients = jax.grad(loss)(params)
    expected, _ = plain.update(gradients, plain.init(params), params, value_fn=loss)
    updates, opt_state = wrapped.update(gradients, wrapped.init(params), params, value_fn=loss)
    jax.tree.map(np.testing.assert_array_equal, updates, expected)
    jax.tree.map(np.testing.assert_array_equal, optim.ema_params(opt_state), optax.apply_updates(params, updates))


def test_average_is_found_inside_a_chain(rng):
    params = draw(rng)
    chained = optax.chain(optax.clip(1.0), optim.with_ema(optim.create("adam", learning_rate=0.1), 0.9))
    jax.tree.map(np.testing.assert_array_equal, optim.ema_params(chained.init(params)), params)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan"), None])
def test_decay_out_of_range_is_refused(decay):
    with pytest.raises(UserError, match="decay must be at least 0 and at most 1, got"):
        optim.with_ema(optax.sgd(0.1), decay)


def test_missing_averages_and_parameters_are_named(rng):
    params = draw(rng)
    optimizer = optim.create("sgd", learning_rate=0.1)
    with pytest.raises(UserError, match="keeps no average"):
        optim.ema_params(optimizer.init(params))
    averaging = optim.with_ema(optimizer, 0.9)
    with pytest.raises(UserError, match=r"update\(gradients, opt_state, params\)"):
        averaging.update(params, averaging.init(params))
