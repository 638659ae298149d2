"""Each check finds what is wrong where something is, and nothing where nothing is."""

import math

import numpy as np
import pytest

from jaxdl.data import sources
from jaxdl.data.dataset import Split
from jaxdl.report import checks


@pytest.fixture(scope="module")
def digits():
    return sources.load("digits")


def test_labels_of_every_class_are_fine(digits):
    check = checks.labels({"train": digits.train, "test": digits.test}, digits.classes)
    assert check.fine
    assert "10 of 10 classes" in check.said


@pytest.mark.parametrize(
    ("labels", "says"), [(np.zeros(20, np.int32), "100% of them 0"), (np.arange(20, dtype=np.int32) % 9, "none of 9")]
)
def test_constant_and_missing_labels_are_named(digits, labels, says):
    check = checks.labels({"train": Split(digits.train.images[:20], labels)}, digits.classes)
    assert not check.fine
    assert says in check.said


def test_test_images_in_the_training_split_are_counted(digits):
    assert checks.repeated(digits.train, digits.test).fine
    leaking = Split(np.concatenate([digits.train.images, digits.test.images[:7]]), digits.train.labels)
    check = checks.repeated(leaking, digits.test)
    assert not check.fine
    assert check.said.startswith("7 of 360")


@pytest.mark.parametrize(
    ("scale", "shift", "fine"), [(1, 0, True), (255, 128, False), (0.25, 0.47, False), (1, 2, False)]
)
def test_inputs_are_fine_at_mean_0_and_variance_1(rng, scale, shift, fine):
    check = checks.inputs(rng.normal(size=(50, 8, 8, 3)) * scale + shift)
    assert check.fine is fine
    assert ("normalizing brings them" in check.said) is not fine


@pytest.mark.parametrize(
    ("loss", "fine"), [(math.log(10), True), (2.6, True), (7.0, False), (0.4, False), (math.nan, False)]
)
def test_the_first_loss_is_fine_near_a_guess(loss, fine):
    assert checks.first_loss(loss, 10).fine is fine


@pytest.mark.parametrize("loss", [1e-4, 2.3, 64444.5])
def test_loaded_weights_need_not_guess(loss):
    check = checks.first_loss(loss, 10, loaded=True)
    assert check.fine
    assert "loaded weights" in check.said
    assert "initialisation" not in check.said


def test_loaded_weights_give_a_loss_all_the_same():
    check = checks.first_loss(math.nan, 10, loaded=True)
    assert not check.fine
    assert "the weights' file" in check.said


def test_a_batch_is_learned_when_its_loss_is_a_tenth_of_a_guess():
    assert checks.one_batch(0.2, 1.0, images=32, updates=9, classes=10).fine
    check = checks.one_batch(1.9, 0.25, images=32, updates=200, classes=10)
    assert not check.fine
    assert "25% are learned after 200 updates" in check.said


@pytest.mark.parametrize(("last", "fine"), [(1.7, True), (2.248, False), (2.31, False), (math.nan, False)])
def test_what_is_not_frozen_need_only_lower_the_loss(last, fine):
    check = checks.one_batch(last, 0.12, images=32, updates=200, classes=10, frozen_from=2.303)
    assert check.fine is fine
    assert f"loss 2.303 at first and {last:.3f} at last, with layers frozen" in check.said
    assert ("look at" in check.said) is not fine


def test_counts_of_one_are_singular(digits):
    assert "in 1 update" in checks.one_batch(0.1, 1.0, images=1, updates=1, classes=10).said
    leaking = Split(np.concatenate([digits.train.images, digits.test.images[:1]]), digits.train.labels)
    assert "1 of 360 test images is in" in checks.repeated(leaking, digits.test).said
