import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError
from jaxdl.optim.momentum_orthogonalized import orthogonalized
from tests.pytorch import torch


def published_iteration(gradient, iterations=3):
    """Of a tensor [m, n]: the published Newton-Schulz iteration, in the tensor's own precision."""
    x = gradient / (gradient.norm() + 1e-7)
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    for _ in range(iterations):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


def published_muon(library, parameters, gradients, rates, momentum, nesterov):
    """The parameters [features, inputs, height, width] after updates by the published rule, in place."""
    buffers = [library.zeros_like(each) for each in parameters]
    for step, rate in enumerate(rates):
        for parameter, buffer, gradient in zip(parameters, buffers, gradients[step], strict=True):
            buffer.mul_(momentum).add_(gradient)
            direction = gradient + momentum * buffer if nesterov else buffer
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
            update = published_iteration(direction.reshape(len(direction), -1)).reshape(direction.shape)
            parameter.sub_(rate * update)


@pytest.mark.parametrize("iterations", [1, 3, 5])
@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (7, 7), (1, 5)])
def test_orthogonalization_is_the_published_iteration(rng, shape, iterations):
    matrix = rng.normal(size=shape) * 3
    theirs = published_iteration(torch().tensor(matrix), iterations)
    with jax.enable_x64(True):
        ours = jax.device_get(orthogonalized(jnp.asarray(matrix), iterations))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_singular_values_come_near_one_and_their_vectors_stay(rng):
    left, values, right = np.linalg.svd(rng.normal(size=(24, 60)), full_matrices=False)
    matrix = np.asarray(orthogonalized(jnp.asarray(left * values @ right, jnp.float32), 5))
    found = left.T @ matrix @ right.T
    assert 0.6 < np.diag(found).min() < np.diag(found).max() < 1.4
    np.testing.assert_allclose(found, np.diag(np.diag(found)), atol=1e-4)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("momentum", [0.6, 0.95])
def test_updates_are_the_published_ones(rng, momentum, nesterov):
    library, rates = torch(), [0.24 * (1 - step / 12) for step in range(12)]
    shapes = [(8, 5, 3, 3), (12, 8, 3, 3)]
    parameters = [library.tensor(rng.normal(size=shape)) for shape in shapes]
    gradients = [[library.tensor(rng.normal(size=shape)) for shape in shapes] for _ in rates]
    with jax.enable_x64(True):
        params = [ours(each) for each in parameters]
        optimizer = optim.muon(optax.linear_schedule(0.24, 0.0, 12), momentum=momentum, nesterov=nesterov)
        opt_state, update = optimizer.init(params), jax.jit(optimizer.update)
        for step in range(12):
            updates, opt_state = update([ours(each) for each in gradients[step]], opt_state, params)
            params = optax.apply_updates(params, updates)
        params = jax.device_get(params)
    published_muon(library, parameters, gradients, rates, momentum, nesterov)
    for found, expected in zip(params, parameters, strict=True):
        np.testing.assert_allclose(found, expected.permute(2, 3, 1, 0), rtol=1e-6, atol=1e-7)


def test_the_size_of_the_gradient_does_not_matter(rng):
    kernel, gradient = (jnp.asarray(rng.normal(size=(3, 3, 4, 8)), jnp.float32) for _ in range(2))
    optimizer = optim.muon(0.1)
    small, large = (optimizer.update(factor * gradient, optimizer.init(kernel), kernel)[0] for factor in (1e-2, 1e3))
    np.testing.assert_allclose(small, large, rtol=1e-3, atol=1e-5)


def test_what_it_is_not_for_is_refused(rng):
    with pytest.raises(UserError, match=r"two or more axes; got a leaf of the shape \(3,\)"):
        optim.muon(0.1).init({"bias": jnp.zeros(3)})
    with pytest.raises(UserError, match="momentum must be at least 0 and less than 1, got 1"):
        optim.muon(0.1, momentum=1)
    with pytest.raises(UserError, match="iterations must be a whole number of at least 1, got 0"):
        optim.muon(0.1, iterations=0)
    kernel = jnp.ones((2, 2))
    with pytest.raises(UserError, match=r"update\(gradients, opt_state, params\)"):
        optim.muon(0.1).update(kernel, optim.muon(0.1).init(kernel))


def ours(tensor):
    """[features, inputs, height, width] as [height, width, inputs, features]."""
    return jnp.asarray(tensor.permute(2, 3, 1, 0).numpy())


def test_by_name_it_takes_the_kernels_and_sgd_the_rest(rng):
    params = {"conv": rng.normal(size=(3, 3, 4, 8)), "dense": rng.normal(size=(8, 5)), "bias": rng.normal(size=5)}
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    gradients = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), params)
    rate = optax.linear_schedule(0.2, 0.0, 10)
    both = optim.create("muon", learning_rate=rate, rest_factor=0.5, weight_decay=0.01, clip_norm=1.0)
    rest = optim.create(
        "sgd", learning_rate=lambda count: 0.5 * rate(count), momentum=0.9, nesterov=True, weight_decay=0.01
    )
    clipped, _ = optax.clip_by_global_norm(1.0).update(gradients, optax.EmptyState())
    state, alone, others = both.init(params), optim.muon(rate).init(params["conv"]), rest.init(params)
    for _ in range(3):
        updates, state = both.update(gradients, state, params)
        of_kernel, alone = optim.muon(rate).update(clipped["conv"], alone, params["conv"])
        of_rest, others = rest.update(clipped, others, params)
        np.testing.assert_allclose(updates["conv"], of_kernel, rtol=1e-5, atol=1e-7)
        for name in ("dense", "bias"):
            np.testing.assert_allclose(updates[name], of_rest[name], rtol=1e-5, atol=1e-7)
        params = optax.apply_updates(params, updates)
