import numpy as np
import pytest

from jaxdl.data.dataset import Split
from jaxdl.data.pipeline import eval_batches, steps_per_epoch, train_batch
from jaxdl.errors import UserError


@pytest.fixture
def split():
    labels = np.arange(23, dtype=np.int32)
    return Split(np.broadcast_to(labels.astype(np.uint8)[:, None, None, None], (23, 2, 2, 3)), labels)


def test_train_batch_is_a_function_of_seed_and_step(split):
    first = [train_batch(split, step, batch_size=5, seed=1)["labels"] for step in range(12)]
    backwards = [train_batch(split, step, batch_size=5, seed=1)["labels"] for step in reversed(range(12))]
    np.testing.assert_array_equal(first, backwards[::-1])
    other = [train_batch(split, step, batch_size=5, seed=2)["labels"] for step in range(12)]
    assert not np.array_equal(first, other)


def test_train_batch_shows_no_example_twice_in_an_epoch_and_reorders_each(split):
    epochs = [
        np.concatenate([train_batch(split, 4 * epoch + step, batch_size=5, seed=0)["labels"] for step in range(4)])
        for epoch in range(20)
    ]
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert set(np.concatenate(epochs)) == set(range(23))  # what one epoch drops another shows


def test_train_batch_keeps_images_beside_their_labels(split):
    batch = train_batch(split, 3, batch_size=7, seed=0)
    assert batch["images"].dtype == np.uint8
    np.testing.assert_array_equal(batch["images"][:, 0, 0, 0], batch["labels"])


@pytest.mark.parametrize("batch_size", [1, 5, 22, 23, 64])
def test_eval_batches_count_every_example_once(split, batch_size):
    batches = list(eval_batches(split, batch_size=batch_size))
    assert all(len(batch["labels"]) == len(batch["images"]) == batch_size for batch in batches)
    counted = np.concatenate([batch["labels"][batch["mask"]] for batch in batches])
    np.testing.assert_array_equal(counted, split.labels)


@pytest.mark.parametrize("batch_size", [0, -1, 24])
def test_steps_per_epoch_refuses_a_batch_that_cannot_be_filled(batch_size):
    with pytest.raises(UserError, match="between 1 and the 23"):
        steps_per_epoch(23, batch_size)
