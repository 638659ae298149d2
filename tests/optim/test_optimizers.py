import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError

PARAMS = {"dense": {"kernel": (5, 3), "bias": (3,)}, "norm": {"scale": (3,), "bias": (3,)}}


@pytest.fixture
def params(rng):
    return jax.tree.map(
        lambda shape: jnp.asarray(rng.normal(size=shape), jnp.float32), PARAMS, is_leaf=lambda x: isinstance(x, tuple)
    )


def trajectory(optimizer, params, steps=50):
    """Minimises a quartic bowl whose gradient changes at every step."""
    opt_state = optimizer.init(params)
    for step in range(steps):
        gradients = jax.tree.map(lambda p, step=step: p**3 + jnp.cos(step + p), params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        params = optax.apply_updates(params, updates)
    return params


def torch_trajectory(make, params, steps=50):
    torch = pytest.importorskip("torch")
    leaves, structure = jax.tree.flatten(params)
    tensors = [torch.tensor(np.asarray(leaf), requires_grad=True) for leaf in leaves]
    optimizer = make(torch, tensors)
    for step in range(steps):
        for tensor in tensors:
            value = tensor.detach()
            tensor.grad = value**3 + torch.cos(step + value)
        optimizer.step()
    return jax.tree.unflatten(structure, [tensor.detach().numpy() for tensor in tensors])


def assert_close(ours, theirs, rtol):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), ours, theirs)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_equals_pytorchs(params, momentum, nesterov):
    ours = trajectory(optim.create("sgd", learning_rate=0.02, momentum=momentum, nesterov=nesterov), params)
    theirs = torch_trajectory(lambda torch, p: torch.optim.SGD(p, 0.02, momentum, nesterov=nesterov), params)
    assert_close(ours, theirs, 1e-4)


def test_adamw_equals_pytorchs_with_decay_on_kernels_only(params):
    def groups(torch, tensors):
        decayed = [tensor for tensor in tensors if tensor.ndim > 1]
        rest = [tensor for tensor in tensors if tensor.ndim <= 1]
        return torch.optim.AdamW([{"params": decayed}, {"params": rest, "weight_decay": 0.0}], 0.02, weight_decay=0.1)

    ours = trajectory(optim.create("adamw", learning_rate=0.02, weight_decay=0.1), params)
    assert_close(ours, torch_trajectory(groups, params), 1e-4)


def test_clip_norm_equals_pytorchs(params):
    def clipped(torch, tensors):
        class Clipping(torch.optim.SGD):
            def step(self):
                torch.nn.utils.clip_grad_norm_(tensors, 0.5)
                super().step()

        return Clipping(tensors, 0.1)

    ours = trajectory(optim.create("sgd", learning_rate=0.1, momentum=0.0, clip_norm=0.5), params)
    assert_close(ours, torch_trajectory(clipped, params), 1e-4)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_weight_decay_shrinks_kernels_and_leaves_biases_and_norms(params, name):
    optimizer = optim.create(name, learning_rate=0.1, weight_decay=0.2)
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_allclose(after["dense"]["kernel"], params["dense"]["kernel"] * (1 - 0.1 * 0.2), rtol=1e-6)
    for group, leaf in (("dense", "bias"), ("norm", "scale"), ("norm", "bias")):
        np.testing.assert_array_equal(after[group][leaf], params[group][leaf])


def test_cosine_rises_linearly_then_falls_to_zero():
    rate = optim.schedule("cosine", learning_rate=0.4, steps=100, warmup_steps=20)
    np.testing.assert_allclose([rate(0), rate(10), rate(20), rate(60), rate(100)], [0, 0.2, 0.4, 0.2, 0], atol=1e-6)


def test_linear_rises_then_falls_in_a_line():
    rate = optim.schedule("linear", learning_rate=0.4, steps=100, warmup_steps=20)
    np.testing.assert_allclose([rate(0), rate(10), rate(20), rate(60), rate(100)], [0, 0.2, 0.4, 0.2, 0], atol=1e-6)
    assert rate(80) == pytest.approx(0.1)
    assert optim.schedule("cosine", learning_rate=0.4, steps=100, warmup_steps=20)(80) < 0.07


def test_cosine_without_warmup_equals_pytorchs():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 37)
    ours = optim.schedule("cosine", learning_rate=0.3, steps=37)
    for step in range(37):
        np.testing.assert_allclose(ours(step), theirs.get_last_lr()[0], rtol=1e-5, atol=1e-7)
        optimizer.step()
        theirs.step()


def test_constant_stays():
    rate = optim.schedule("constant", learning_rate=0.4, steps=10, warmup_steps=4)
    np.testing.assert_allclose([rate(step) for step in (0, 2, 4, 9, 500)], [0, 0.2, 0.4, 0.4, 0.4], rtol=1e-6)


def test_unknown_names_and_a_clip_of_zero_are_refused():
    with pytest.raises(UserError, match="Did you mean adamw"):
        optim.create("adam", learning_rate=0.1)
    with pytest.raises(UserError, match="Did you mean cosine"):
        optim.schedule("cosin", learning_rate=0.1, steps=3)
    with pytest.raises(UserError, match="clip_norm must be greater than 0"):
        optim.create("sgd", learning_rate=0.1, clip_norm=0.0)
