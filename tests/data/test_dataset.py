import numpy as np
import pytest

from jaxdl.data.dataset import Split, channel_statistics, fingerprint_of, train_val_split
from jaxdl.errors import UserError


@pytest.fixture
def split(rng):
    labels = np.repeat(np.arange(4, dtype=np.int32), [40, 80, 20, 60])
    return Split(rng.integers(0, 256, (200, 3, 3, 3), np.uint8), labels)


def test_train_val_split_is_a_stratified_partition(split):
    train, val = train_val_split(split, val_size=50, seed=0)
    assert np.bincount(val.labels).tolist() == [10, 20, 5, 15]
    rows = {image.tobytes() for image in train.images} | {image.tobytes() for image in val.images}
    assert len(train) + len(val) == len(rows) == 200


def test_train_val_split_is_fixed_by_the_seed(split):
    first, again, other = (train_val_split(split, val_size=50, seed=seed)[1].images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_train_val_split_of_none_keeps_everything(split):
    assert train_val_split(split, val_size=0, seed=0) == (split, None)


@pytest.mark.parametrize("val_size", [3, 197, -1])
def test_train_val_split_refuses_sizes_that_leave_a_class_out(split, val_size):
    with pytest.raises(UserError, match=f"got {val_size}"):
        train_val_split(split, val_size=val_size, seed=0)


def test_a_class_of_one_example_and_a_seed_beyond_the_generators_are_named(split):
    lonely = Split(split.images, np.where(np.arange(200) == 7, 4, split.labels))
    for classes, name in ((("a", "b", "c", "d", "emu"), "emu"), ((), "4")):
        with pytest.raises(UserError, match=rf"the class {name} has a single example.* val_size 0\."):
            train_val_split(lonely, val_size=50, seed=0, classes=classes)
    assert train_val_split(lonely, val_size=0, seed=0)[1] is None
    for seed in (2**32, -1):
        with pytest.raises(UserError, match=f"seed must be from 0 to 4294967295, got {seed}"):
            train_val_split(split, val_size=50, seed=seed)


def test_channel_statistics_equal_numpys(rng):
    images = rng.integers(0, 256, (5000, 3, 4, 3), np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255.0).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255.0).std((0, 1, 2)), rtol=1e-12)


def test_fingerprint_changes_with_one_pixel_one_label_and_a_swap_of_splits(split):
    stored = {
        "train_images": split.images,
        "train_labels": split.labels,
        "test_images": split.images[:9],
        "test_labels": split.labels[:9],
    }
    pixel = {**stored, "train_images": split.images.copy()}
    pixel["train_images"][7, 1, 1, 1] ^= 1
    label = {**stored, "test_labels": split.labels[:9] + 1}
    assert len({fingerprint_of(each) for each in (stored, pixel, label)}) == 3
    assert fingerprint_of(stored) == fingerprint_of({name: array.copy() for name, array in stored.items()})


def test_masks_are_held_out_at_random_the_same_for_a_seed(split):
    masked = Split(split.images, np.zeros((200, 3, 3), np.uint8), np.array([b"%d" % row for row in range(200)]))
    train, val = train_val_split(masked, val_size=30, seed=0)
    assert (len(train), len(val)) == (170, 30)
    assert set(train.files) | set(val.files) == set(masked.files)
    assert train_val_split(masked, val_size=30, seed=0)[1].files == val.files
    assert train_val_split(masked, val_size=30, seed=1)[1].files != val.files
    with pytest.raises(UserError, match="val_size must be from 0 to 199"):
        train_val_split(masked, val_size=200, seed=0)
