import itertools

import numpy as np
import pytest

from jaxdl.data.dataset import Split
from jaxdl.data.pipeline import eval_batch, eval_batches, eval_steps, steps_per_epoch, train_batch, train_feed
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


def test_an_alternating_batch_shows_each_image_mirrored_in_every_other_epoch(split):
    seen = {label: {} for label in range(23)}
    for step in range(4 * 40):
        batch = train_batch(split, step, batch_size=5, seed=3, alternate=True)
        assert batch["mirrored"].dtype == bool
        for label, mirrored in zip(batch["labels"], batch["mirrored"], strict=True):
            seen[label][step // 4] = mirrored
    at_first = [{shown ^ bool(epoch % 2) for epoch, shown in mirrored.items()} for mirrored in seen.values()]
    assert all(len(each) == 1 for each in at_first)
    assert min(map(len, seen.values())) > 20  # epochs that showed it
    assert 4 < sum(each == {True} for each in at_first) < 19


def test_alternating_changes_nothing_else_and_is_a_function_of_seed_and_step(split):
    plain = train_batch(split, 9, batch_size=5, seed=3)
    batch = train_batch(split, 9, batch_size=5, seed=3, alternate=True)
    assert batch.keys() == plain.keys() | {"mirrored"}
    for name, array in plain.items():
        np.testing.assert_array_equal(batch[name], array)
    again = train_batch(split, 9, batch_size=5, seed=3, alternate=True)
    np.testing.assert_array_equal(again["mirrored"], batch["mirrored"])
    wholes = [train_batch(split, 0, batch_size=23, seed=seed, alternate=True) for seed in range(5)]
    assert len({each["mirrored"][np.argsort(each["labels"])].tobytes() for each in wholes}) == 5
    whole = train_batch(split, 9, batch_size=5, seed=3, padded_size=8, alternate=True)
    np.testing.assert_array_equal(whole["mirrored"], [*batch["mirrored"], False, False, False])
    options = {"batch_size": 5, "seed": 3, "padded_size": 8, "alternate": True}
    assert_join([train_batch(split, 9, rows=slice(start, start + 4), **options) for start in (0, 4)], whole)


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


@pytest.mark.parametrize("cuts", [[0, 7], [0, 3, 7], [0, 1, 1, 6, 7]])
def test_shares_of_a_train_batch_join_to_the_whole(split, cuts):
    whole = train_batch(split, 4, batch_size=7, seed=0)
    assert whole.keys() == {"images", "labels"}
    shares = [
        train_batch(split, 4, batch_size=7, seed=0, rows=slice(first, last)) for first, last in itertools.pairwise(cuts)
    ]
    assert_join(shares, whole)


def test_a_padded_train_batch_is_the_batch_then_masked_zeros_in_every_share(split):
    batch = train_batch(split, 4, batch_size=5, seed=0)
    whole = train_batch(split, 4, batch_size=5, seed=0, padded_size=12)
    assert whole["mask"].tolist() == [True] * 5 + [False] * 7
    for name, array in batch.items():
        assert whole[name].dtype == array.dtype
        np.testing.assert_array_equal(whole[name][:5], array)
        assert not whole[name][5:].any()
    shares = [
        train_batch(split, 4, batch_size=5, seed=0, padded_size=12, rows=slice(first, first + 4))
        for first in (0, 4, 8)  # full, part and no more than padding
    ]
    assert_join(shares, whole)


def test_a_padded_size_equal_to_the_batch_size_adds_no_mask(split):
    assert "mask" not in train_batch(split, 0, batch_size=5, seed=0, padded_size=5, rows=slice(0, 2))
    with pytest.raises(ValueError, match="at least the batch_size of 5"):
        train_batch(split, 0, batch_size=5, seed=0, padded_size=4)


def test_a_share_gathers_its_rows_only(split):
    class Asked:
        def __getitem__(self, rows):
            asked.append(len(split.labels[rows]))
            return split.images[rows]

    asked = []
    train_batch(Split(Asked(), split.labels), 0, batch_size=8, seed=0, rows=slice(6, 8))
    list(eval_batches(Split(Asked(), split.labels), batch_size=10, rows=slice(2, 5)))
    assert asked == [2, 3, 3, 1]


@pytest.mark.parametrize("batch_size", [1, 8, 23, 40])
def test_shares_of_eval_batches_join_to_the_whole(split, batch_size):
    cuts = [0, batch_size // 3, batch_size]
    shares = [
        list(eval_batches(split, batch_size=batch_size, rows=slice(first, last)))
        for first, last in itertools.pairwise(cuts)
    ]
    wholes = list(eval_batches(split, batch_size=batch_size))
    assert len(wholes) == len(shares[0]) == len(shares[1]) == eval_steps(23, batch_size)
    for index, whole in enumerate(wholes):
        assert_join([share[index] for share in shares], whole)
        assert_join([eval_batch(split, index, batch_size=batch_size)], whole)


def test_rows_with_a_stride_are_refused(split):
    with pytest.raises(ValueError, match="without a stride"):
        train_batch(split, 0, batch_size=5, seed=0, rows=slice(0, 5, 2))


def assert_join(shares, whole):
    for name, array in whole.items():
        joined = np.concatenate([share[name] for share in shares])
        assert joined.dtype == array.dtype
        np.testing.assert_array_equal(joined, array)


def test_train_feed_names_the_examples_of_the_batches(split):
    feed = train_feed(split, 3, steps=6, batch_size=5, seed=1, alternate=True)
    assert feed["rows"].dtype == np.int32
    for index in range(6):
        batch = train_batch(split, 3 + index, batch_size=5, seed=1, alternate=True)
        np.testing.assert_array_equal(split.labels[feed["rows"][index]], batch["labels"])
        np.testing.assert_array_equal(feed["mirrored"][index], batch["mirrored"])
    assert set(train_feed(split, 0, steps=1, batch_size=5, seed=1)) == {"rows"}
