"""Losses by name: the sum of their means is minimised, and each is a metric."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl import losses
from jaxdl.train import parallel
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step


class Linear(nn.Module):
    """Logits of three classes; takes a shift beside the images."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, x, *, train, shift=None):
        x = x.reshape(len(x), -1)
        return nn.Dense(self.num_classes)(x if shift is None else x + shift[:, None])


@pytest.fixture
def batch(rng):
    images = rng.normal(size=(16, 2, 2, 1)).astype(np.float32)
    return {"images": images, "labels": rng.integers(0, 3, 16).astype(np.int32)}


def weighted(logits, labels):
    """Twice the cross entropy of the first class alone, a mean over its examples."""
    of_first = (labels == 0).astype(jnp.float32)
    return 2 * losses.cross_entropy(logits, labels) * of_first, of_first


def both(logits, labels):
    return {"plain": losses.cross_entropy(logits, labels), "first": weighted(logits, labels)}


def stepped(loss, batch, devices=None, **options):
    model, optimizer = Linear(), optax.sgd(0.5)
    state = create_state(model, optimizer, jax.random.key(0), jnp.asarray(batch["images"]))
    step = make_train_step(model, optimizer, loss, **options)
    if devices is None:
        return step(state, batch)
    return devices.compile(step)(devices.put(state), devices.place(batch))


def test_a_single_named_loss_is_the_loss(batch):
    state, metrics = stepped(lambda *args: {"own": losses.cross_entropy(*args)}, batch)
    expected, theirs = stepped(losses.cross_entropy, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), state.params, expected.params)
    np.testing.assert_allclose(metrics["own"].value, theirs["loss"].value, rtol=1e-6)
    np.testing.assert_allclose(metrics["loss"].value, theirs["loss"].value, rtol=1e-6)


def test_the_sum_of_the_means_is_minimised(batch):
    state, metrics = stepped(both, batch)
    start, _ = stepped(lambda *args: {"none": 0 * losses.cross_entropy(*args)}, batch)

    def total(params):
        logits = Linear().apply({"params": params}, batch["images"], train=True)
        values, weights = weighted(logits, batch["labels"])
        return losses.cross_entropy(logits, batch["labels"]).mean() + values.sum() / weights.sum()

    value, slope = jax.value_and_grad(total)(start.params)
    expected = jax.tree.map(lambda leaf, of: leaf - 0.5 * of, start.params, slope)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), state.params, expected)
    np.testing.assert_allclose(metrics["loss"].value, value, rtol=1e-6)
    np.testing.assert_allclose(metrics["plain"].value + metrics["first"].value, value, rtol=1e-6)


@pytest.mark.parametrize("devices", ["pmap", "mesh"])
def test_named_losses_of_eight_devices_are_those_of_one(batch, devices):
    state, metrics = stepped(both, batch, parallel.choose(devices))
    expected, theirs = stepped(both, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), state.params, expected.params)
    for name in ("loss", "plain", "first"):
        np.testing.assert_allclose(metrics[name].value, theirs[name].value, rtol=1e-5)


def test_rows_outside_the_mask_are_in_no_named_loss(batch):
    padded = {name: np.concatenate([array, array[:4]]) for name, array in batch.items()}
    mask = np.arange(20) < 16
    state, metrics = stepped(both, {**padded, "mask": mask})
    expected, theirs = stepped(both, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), state.params, expected.params)
    np.testing.assert_allclose(metrics["loss"].value, theirs["loss"].value, rtol=1e-6)


def test_parts_of_a_batch_average_a_named_loss_as_the_whole(batch):
    options = {"accumulate": 4}
    state, metrics = stepped(lambda *args: {"own": losses.cross_entropy(*args)}, batch, **options)
    expected, theirs = stepped(losses.cross_entropy, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), state.params, expected.params)
    np.testing.assert_allclose(metrics["loss"].value, theirs["loss"].value, rtol=1e-6)


def test_a_network_is_called_with_what_inputs_makes_of_a_batch(batch):
    shifted = {**batch, "shift": np.linspace(0, 1, 16, dtype=np.float32)}
    inputs = lambda batch: ((batch["images"],), {"shift": batch["shift"]})  # noqa: E731
    state, _ = stepped(losses.cross_entropy, shifted, inputs=inputs)
    moved = {**batch, "images": batch["images"] + shifted["shift"][:, None, None, None]}
    expected, _ = stepped(losses.cross_entropy, moved)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), state.params, expected.params)


def test_transform_sees_the_whole_batch_and_a_key_of_the_step(batch):
    keys = []

    def transform(key, batch):
        keys.append(jax.random.key_data(key))
        return {**batch, "images": batch["images"] * 0}

    _, metrics = stepped(losses.cross_entropy, batch, transform=transform)
    assert len(keys) == 1
    np.testing.assert_allclose(metrics["loss"].value, np.log(3), rtol=1e-5)
