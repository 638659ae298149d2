"""Losses by name against PyTorch's formulas, and what a classifier that has learned nothing has of each."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses
from jaxdl.errors import UserError
from tests import pytorch


def mixed(rng, classes=6):
    """Targets as mixup makes them: probabilities of two classes each."""
    first, second = np.eye(classes)[rng.integers(0, classes, (2, 20))]
    return (0.7 * first + 0.3 * second).astype(np.float32)


def torch_one_vs_rest(torch, logits, targets):
    values = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return values.mean(-1)


def torch_focal(torch, logits, targets):
    p = torch.softmax(logits, -1)
    return -(targets * (1 - p) ** 2 * torch.log(p)).sum(-1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
@pytest.mark.parametrize(("name", "reference"), [("one_vs_rest", torch_one_vs_rest), ("focal", torch_focal)])
def test_values_and_gradients_equal_pytorchs(rng, name, reference, soft, smoothing):
    torch = pytorch.torch()
    logits = (3 * rng.normal(size=(20, 6))).astype(np.float32)
    labels = mixed(rng) if soft else rng.integers(0, 6, 20)
    targets = (1 - smoothing) * (labels if soft else np.eye(6)[labels]) + smoothing / 6

    def mean(logits):
        return losses.BY_NAME[name](logits, jnp.asarray(labels), label_smoothing=smoothing).mean()

    value, gradient = jax.value_and_grad(mean)(jnp.asarray(logits))
    theirs = torch.tensor(logits, requires_grad=True)
    expected = reference(torch, theirs, torch.tensor(targets, dtype=torch.float32)).mean()
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-4, atol=1e-7)


def test_focal_without_focus_is_the_cross_entropy(rng):
    logits, labels = jnp.asarray(rng.normal(size=(20, 6)), jnp.float32), jnp.asarray(rng.integers(0, 6, 20))
    expected = losses.cross_entropy(logits, labels, label_smoothing=0.1)
    np.testing.assert_allclose(losses.focal(logits, labels, gamma=0.0, label_smoothing=0.1), expected, rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_constant_guess_has_the_entropy_of_its_classes(classes):
    share = 1 / classes
    of_each = -share * math.log(share) - (1 - share) * math.log(1 - share)
    expected = {
        "cross_entropy": math.log(classes),
        "one_vs_rest": of_each,
        "focal": (1 - share) ** 2 * math.log(classes),
    }
    assert set(expected) == set(losses.BY_NAME)
    for name, value in expected.items():
        assert losses.of_constant_guess(name, classes) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("name", list(losses.BY_NAME))
def test_a_label_that_is_no_class_is_refused_and_a_nan_inside_jit(name):
    loss, logits, labels = losses.BY_NAME[name], jnp.zeros((2, 3)), jnp.asarray([1, 3])
    with pytest.raises(UserError, match="labels must be from 0 to 2 for 3 classes, got 3"):
        loss(logits, labels)
    values = np.asarray(jax.jit(loss)(logits, labels)).reshape(2, -1)
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1]).all()


def test_bf16_logits_give_f32():
    for loss in losses.BY_NAME.values():
        assert loss(jnp.zeros((2, 10), jnp.bfloat16), jnp.zeros(2, int)).dtype == jnp.float32


def test_an_impossible_focus_or_smoothing_is_named():
    with pytest.raises(UserError, match="gamma must be at least 0"):
        losses.focal(jnp.zeros((2, 3)), jnp.zeros(2, int), gamma=-1.0)
    with pytest.raises(UserError, match="label_smoothing must be from 0 to 1"):
        losses.one_vs_rest(jnp.zeros((2, 3)), jnp.zeros(2, int), label_smoothing=2.0)
