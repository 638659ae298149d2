import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from tests.optim.trajectories import assert_close, draw
from tests.pytorch import torch

PENALTIES = [
    (optim.l1_penalty, lambda tensors: sum(tensor.abs().sum() for tensor in tensors)),
    (optim.l2_penalty, lambda tensors: sum(tensor.pow(2).sum() for tensor in tensors)),
]


@pytest.mark.parametrize("kernels_only", [True, False])
@pytest.mark.parametrize(("ours", "theirs"), PENALTIES, ids=["l1", "l2"])
def test_penalty_and_its_gradient_equal_pytorchs(rng, ours, theirs, kernels_only):
    params = draw(rng)
    params["conv"][0] = 0.0  # where the absolute value has a corner
    mask = (optim.decay_mask,) if kernels_only else (None,)
    value, gradients = jax.value_and_grad(lambda params: 0.3 * ours(params, *mask))(params)

    leaves, structure = jax.tree.flatten(params)
    tensors = [torch().tensor(leaf, requires_grad=True) for leaf in leaves]
    expected = 0.3 * theirs([tensor for tensor in tensors if not kernels_only or tensor.ndim > 1])
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5)
    slopes = [np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy() for tensor in tensors]
    assert_close(gradients, jax.tree.unflatten(structure, slopes), 1e-6)


@pytest.mark.parametrize("penalty", [optim.l1_penalty, optim.l2_penalty])
def test_mask_is_kernels_unless_said_otherwise_and_may_leave_nothing(rng, penalty):
    params = draw(rng)
    assert penalty(params) == penalty(params, optim.decay_mask) != penalty(params, None)
    assert penalty(params, jax.tree.map(lambda leaf: leaf.ndim > 1, params)) == penalty(params)
    assert penalty({"bias": jnp.ones(3)}) == 0


@pytest.mark.parametrize("mask", [optim.decay_mask, None], ids=["kernels", "all"])
def test_l2_of_sgd_is_half_the_penalty_in_the_loss(rng, mask):
    def train(optimizer, loss):
        @jax.jit
        def step(params, opt_state):
            updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        params = jax.tree.map(jnp.asarray, draw(np.random.default_rng(3)))
        opt_state = optimizer.init(params)
        for _ in range(50):
            params, opt_state = step(params, opt_state)
        return params

    def loss(params):
        return sum(jnp.sum(jnp.cos(leaf)) for leaf in jax.tree.leaves(params))

    options = {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}
    ours = train(optim.create("sgd", l2=0.2, mask=mask, **options), loss)
    reference = train(optim.create("sgd", **options), lambda p: loss(p) + 0.2 / 2 * optim.l2_penalty(p, mask))
    assert_close(ours, reference, 1e-5)
