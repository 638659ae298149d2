import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError
from tests.optim.trajectories import assert_close, draw, precision, torch_trajectory, trajectory

DECAY = 0.95


def published(steps, every):
    """``torch.optim.SGD`` under the published lookahead; PyTorch's ``lerp_`` is ``slow + w * (new - slow)``."""

    def make(torch, tensors):
        class Lookahead(torch.optim.SGD):
            slow, count = [tensor.detach().clone() for tensor in tensors], 0

            def step(self):
                super().step()
                self.count += 1
                if self.count % every == 0 and self.count <= steps:
                    self.draw_back(DECAY**every * (self.count / steps) ** 3)
                if self.count == steps:
                    self.draw_back(1.0)

            def draw_back(self, decay):
                for slow, tensor in zip(self.slow, tensors, strict=True):
                    slow.lerp_(tensor.detach(), 1 - decay)
                    tensor.detach().copy_(slow)

        return Lookahead(tensors, 0.02, 0.85, nesterov=True)

    return make


@pytest.mark.long
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("steps", "every"), [(50, 5), (48, 5), (37, 1), (41, 7), (3, 5)])
def test_parameters_follow_the_published_lookahead(rng, steps, every, dtype):
    params = draw(rng, dtype)
    with precision(dtype):
        plain = optim.create("sgd", learning_rate=0.02, momentum=0.85, nesterov=True)
        ours = jax.device_get(trajectory(optim.with_lookahead(plain, DECAY, steps=steps, every=every), params))
    assert_close(ours, torch_trajectory(published(steps, every), params), 1e-6 if dtype == np.float64 else 5e-5)


def test_the_last_update_returns_to_the_average_of_the_last_full_window(rng):
    params = draw(rng)
    plain = optim.create("sgd", learning_rate=0.02)
    seen = trajectory(optim.with_lookahead(plain, 0.9, steps=13), params)
    jax.tree.map(lambda leaf: np.testing.assert_allclose(leaf[12], leaf[9], rtol=1e-6), seen)
    assert not np.allclose(seen["conv"][11], seen["conv"][9], rtol=1e-3)


def test_wrapped_optimizer_receives_extra_arguments(rng):
    def loss(params):
        return sum(jnp.sum(leaf**4) for leaf in jax.tree.leaves(params))

    params = jax.tree.map(jnp.asarray, draw(rng))
    plain = optim.create("lbfgs", learning_rate=1.0, max_iter=3)
    wrapped = optim.with_lookahead(plain, 0.9, steps=100)
    gradients = jax.grad(loss)(params)
    expected, _ = plain.update(gradients, plain.init(params), params, value_fn=loss)
    updates, opt_state = wrapped.update(gradients, wrapped.init(params), params, value_fn=loss)
    jax.tree.map(np.testing.assert_array_equal, updates, expected)
    jax.tree.map(np.testing.assert_array_equal, opt_state.slow, params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 1.1}, "decay must be at least 0 and at most 1, got 1.1"),
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"every": 0}, "every must be a whole number of at least 1, got 0"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        optim.with_lookahead(optax.sgd(0.1), **{"decay": 0.9, "steps": 10, **options})


def test_missing_parameters_are_named(rng):
    params = draw(rng)
    optimizer = optim.with_lookahead(optax.sgd(0.1), 0.9, steps=10)
    with pytest.raises(UserError, match=r"update\(gradients, opt_state, params\)"):
        optimizer.update(params, optimizer.init(params))
