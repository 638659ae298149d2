"""Layer-wise decay of the learning rate, against a learning rate of its own for each group of parameters."""

import jax
import numpy as np
import optax
import pytest

from jaxdl import optim
from jaxdl.errors import UserError

BLOCKS = [("conv1", "bn1"), ("layer1.0",), ("layer1.1",), ("fc",)]
POWERS = {"token": 3, "conv1": 3, "bn1": 3, "layer1.0": 2, "layer1.1": 1, "fc": 0}


def params(rng):
    leaf = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    block = {"conv1": {"kernel": leaf(3, 3)}, "bn1": {"scale": leaf(3)}}
    return {
        "token": leaf(3),
        "conv1": {"kernel": leaf(3, 3)},
        "bn1": {"scale": leaf(3), "bias": leaf(3)},
        "layer1.0": block,
        "layer1.1": jax.tree.map(np.negative, block),
        "fc": {"kernel": leaf(3, 2), "bias": leaf(2)},
    }


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_each_block_moves_as_by_an_optimizer_of_its_own_rate(rng, name):
    options = {"weight_decay": 0.1}
    ours = optim.with_layer_decay(optim.create(name, learning_rate=0.1, **options), 0.75, BLOCKS)
    groups = {power: optim.create(name, learning_rate=0.1 * 0.75**power, **options) for power in range(4)}
    labels = {key: jax.tree.map(lambda _, key=key: POWERS[key], part) for key, part in params(rng).items()}
    reference = optax.multi_transform(groups, labels)
    start = params(rng)
    trained = []
    for optimizer in (ours, reference):
        current, state = start, optimizer.init(start)
        for step in range(4):
            gradients = jax.tree.map(lambda leaf: np.cos(leaf + step), start)  # noqa: B023
            updates, state = optimizer.update(gradients, state, current)
            current = optax.apply_updates(current, updates)
        trained.append(current)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *trained)


@pytest.mark.parametrize("decay", [0.0, 1.5, float("nan")])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(UserError, match="decay"):
        optim.with_layer_decay(optax.sgd(0.1), decay, BLOCKS)
