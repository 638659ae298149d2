"""Objects as arrays of one shape."""

import numpy as np
import pytest

from jaxdl import rle
from jaxdl.data.detection.padded import PaddedObjects
from jaxdl.objects import Objects

SIZE = (12, 16)


def objects(count, rng, *, masks=True):
    corners = rng.random((count, 2)) * 5
    return Objects(
        boxes=np.concatenate([corners, corners + 3], axis=1).astype(np.float32),
        classes=rng.integers(0, 3, count).astype(np.int32),
        crowd=rng.random(count) < 0.5,
        difficult=rng.random(count) < 0.5,
        areas=np.full(count, 9, np.float32),
        masks=tuple(rle.encode(rng.random((10, 11)) < 0.5) for _ in range(count)) if masks else None,
    )


def padded(rng, counts=(2, 0, 4), *, masks=True):
    return PaddedObjects(
        objects=tuple(objects(count, rng, masks=masks) for count in counts),
        most=5,
        masks=masks,
        size=SIZE,
        sizes=np.array([SIZE] * 3, np.int32),
        image_ids=tuple("abc"),
        category_ids=(1, 2, 9),
    )


def test_rows_are_arrays_with_room_for_the_most_objects(rng):
    labels = padded(rng)
    assert (len(labels), labels.shape, labels.ndim) == (3, (3,), 1)
    batch = labels[:]
    assert {name: (array.shape, array.dtype) for name, array in batch.items()} == {
        "boxes": ((3, 5, 4), np.float32),
        "labels": ((3, 5), np.int32),
        "masks": ((3, 5, *SIZE), np.uint8),
    }
    for row, each in enumerate(labels.objects):
        count = len(each)
        np.testing.assert_array_equal(batch["boxes"][row, :count], each.boxes)
        np.testing.assert_array_equal(batch["labels"][row, :count], np.where(each.crowd, 0, each.classes + 1))
        for place, code in enumerate(each.masks):
            np.testing.assert_array_equal(batch["masks"][row, place, :10, :11], rle.decode(code))
        assert not any(array[row, count:].any() for array in batch.values())
        assert not batch["masks"][row, :, 10:].any()
        assert not batch["masks"][row, :, :, 11:].any()


@pytest.mark.parametrize("rows", [slice(1, 3), [2, 0, 2], np.array([0, 2]), np.array([], int), [-1]])
def test_any_rows_are_those_of_all(rng, rows):
    labels = padded(rng)
    whole, part = labels[:], labels[rows]
    for name, array in part.items():
        np.testing.assert_array_equal(array, whole[name][rows])


def test_a_number_is_one_row_without_the_first_axis(rng):
    labels = padded(rng, masks=False)
    assert set(labels[0]) == {"boxes", "labels"}
    np.testing.assert_array_equal(labels[2]["boxes"], labels[:]["boxes"][2])
    with pytest.raises(IndexError):
        labels[3]


def test_rows_are_taken_with_their_ids(rng):
    labels = padded(rng)
    taken = labels.take(np.array([2, 0]), axis=0)
    assert (len(taken), taken.most, taken.image_ids, taken.category_ids) == (2, 5, ("c", "a"), (1, 2, 9))
    np.testing.assert_array_equal(taken[0]["masks"], labels[2]["masks"])
    with pytest.raises(ValueError, match="axis 0 only"):
        labels.take([0], axis=1)
