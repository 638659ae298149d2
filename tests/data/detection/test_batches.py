"""Batches of pictures with objects: as a function of (seed, step), and every picture once in evaluation."""

import numpy as np
import pytest

from jaxdl.data import pipeline
from jaxdl.data.dataset import Split, train_val_split
from jaxdl.data.detection.padded import PaddedObjects
from jaxdl.objects import Objects

SIZE = (12, 16)


@pytest.fixture
def split(rng):
    """Seven pictures, the row of each in its pixels, its size and its first box; the third has no object."""
    objects = []
    for row in range(7):
        count = 0 if row == 2 else row % 3 + 1
        boxes = np.array([[each, each, each + 2, each + row + 1] for each in range(count)], np.float32).reshape(-1, 4)
        none = np.zeros(count, bool)
        crowd = np.arange(count) == 2
        objects.append(Objects(boxes, np.full(count, row % 2, np.int32), crowd, none, np.ones(count, np.float32)))
    sizes = np.array([[5 + row, 9 + row] for row in range(7)], np.int32)
    images = np.broadcast_to(np.arange(7, dtype=np.uint8)[:, None, None, None], (7, *SIZE, 3))
    labels = PaddedObjects(tuple(objects), 3, False, SIZE, sizes, tuple(range(7)), (1, 2))
    return Split(images, labels, sizes=sizes)


def test_arrays_of_a_training_batch_are_of_the_same_pictures(split):
    batch = pipeline.train_batch(split, 1, batch_size=3, seed=0)
    rows = batch["images"][:, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(batch["sizes"], split.sizes[rows])
    for place, row in enumerate(rows):
        objects = split.labels.objects[row]
        np.testing.assert_array_equal(batch["boxes"][place, : len(objects)], objects.boxes)
        np.testing.assert_array_equal(
            batch["labels"][place], np.pad(np.where(objects.crowd, 0, objects.classes + 1), (0, 3 - len(objects)))
        )
    again = pipeline.train_batch(split, 1, batch_size=3, seed=0)
    assert batch.keys() == again.keys() == {"images", "labels", "boxes", "sizes"}
    for name in batch:
        np.testing.assert_array_equal(batch[name], again[name])


def test_evaluation_sees_every_picture_once_and_padding_has_no_object(split):
    batches = list(pipeline.eval_batches(split, batch_size=4))
    assert [batch["mask"].tolist() for batch in batches] == [[True] * 4, [True, True, True, False]]
    rows = np.concatenate([batch["images"][batch["mask"]][:, 0, 0, 0] for batch in batches])
    np.testing.assert_array_equal(rows, np.arange(7))
    assert not any(batches[1][name][3].any() for name in ("images", "labels", "boxes", "sizes"))


def test_held_out_pictures_keep_their_objects(split):
    train, val = train_val_split(split, val_size=2, seed=0)
    rows = [part.images[:, 0, 0, 0].tolist() for part in (train, val)]
    assert sorted(rows[0] + rows[1]) == list(range(7))
    assert len(val) == 2
    for part, of_part in zip((train, val), rows, strict=True):
        assert all(part.labels.objects[place] is split.labels.objects[row] for place, row in enumerate(of_part))
        np.testing.assert_array_equal(part.labels.sizes, split.sizes[of_part])
        assert part.labels.image_ids == tuple(of_part)
