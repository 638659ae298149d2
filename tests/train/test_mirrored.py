"""Batches that say which of their images are mirrored."""

import jax
import numpy as np
import pytest

from jaxdl import losses, optim
from jaxdl.data import augment
from jaxdl.train import parallel
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step, prepare_batch
from tests.train.one_block import OneBlock


@pytest.fixture
def batch(rng):
    images = rng.integers(0, 256, (16, 8, 8, 3), np.uint8)
    return {"images": images, "labels": np.arange(16, dtype=np.int32) % 10, "mirrored": rng.random(16) < 0.5}


def test_marked_images_are_mirrored_before_they_are_augmented(batch):
    where = batch["mirrored"][:, None, None, None]
    by_hand = {name: batch[name] for name in ("images", "labels")}
    by_hand["images"] = np.where(where, batch["images"][:, :, ::-1], batch["images"])
    for transform in (None, augment.pipeline(crop_padding=2)):
        ours = prepare_batch(jax.random.key(0), 3, batch, augment=transform)
        theirs = prepare_batch(jax.random.key(0), 3, by_hand, augment=transform)
        np.testing.assert_array_equal(ours["images"], theirs["images"])
    assert 0 < batch["mirrored"].sum() < 16


@pytest.mark.long
@pytest.mark.parametrize("devices", [parallel.single, parallel.pmap, parallel.mesh])
def test_every_form_of_the_step_mirrors_them(batch, devices):
    by_hand = {"labels": batch["labels"], "images": batch["images"].copy()}
    by_hand["images"][batch["mirrored"]] = by_hand["images"][batch["mirrored"]][:, :, ::-1]
    model, optimizer = OneBlock(), optim.create("sgd", learning_rate=0.1)
    step = make_train_step(model, optimizer, losses.cross_entropy, augment=augment.pipeline(crop_padding=1))

    def after(batch, chosen):
        state = create_state(model, optimizer, jax.random.key(0), augment.normalize(batch["images"]))
        state, _ = chosen.compile(step)(chosen.put(state), chosen.place(batch))
        return chosen.fetch(state.params)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        after(batch, devices()),
        after(by_hand, parallel.single()),
    )
