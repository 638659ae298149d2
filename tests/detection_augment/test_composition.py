from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import augment
from jaxdl.detection.image_list import Targets
from tests.data.augment.reference import transforms
from tests.detection_augment.painted import assert_trees_equal, keys, painted
from tests.pytorch import torch


def test_compose_applies_each_in_turn_with_a_key_of_its_own(rng):
    batch = painted(rng, masks=False)
    key = keys(1)[0]
    seen = []

    def noting(key, images, targets):
        seen.append(jax.random.key_data(key).tolist())
        return images.replace(images=images.images * 2 + len(seen)), targets

    done, _ = augment.compose(noting, noting, noting)(key, *batch)
    np.testing.assert_array_equal(done.images, ((batch[0].images * 2 + 1) * 2 + 2) * 2 + 3)
    assert len({*map(tuple, seen), tuple(jax.random.key_data(key).tolist())}) == 4


def test_compose_of_one_more_draws_the_same_before(rng):
    batch, key = painted(rng), keys(1)[0]
    nothing = partial(augment.flip, probability=0.0)
    few = jax.jit(augment.compose(augment.flip, augment.flip))(key, *batch)
    assert_trees_equal(jax.jit(augment.compose(augment.flip, augment.flip, nothing))(key, *batch), few)


def test_compose_of_nothing_changes_nothing(rng):
    batch = painted(rng)
    assert_trees_equal(augment.compose()(keys(1)[0], *batch), batch)


@pytest.mark.parametrize("min_size", [1.0, 4.0])
def test_sanitize_removes_what_torchvision_does(rng, min_size):
    size, count = (30, 40), 200
    corners = rng.uniform(-10, 40, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 12, (count, 2))], 1).astype(np.float32)
    targets = Targets(jnp.asarray(boxes)[None], jnp.arange(1, count + 1)[None], jnp.ones((1, count, 30, 40), bool))
    ours = augment.sanitize(targets, jnp.asarray([size], jnp.int32), min_size)
    transforms()
    from torchvision import tv_tensors
    from torchvision.transforms.v2.functional import clamp_bounding_boxes, sanitize_bounding_boxes

    theirs = clamp_bounding_boxes(tv_tensors.BoundingBoxes(torch().tensor(boxes), format="XYXY", canvas_size=size))
    left, valid = sanitize_bounding_boxes(theirs, min_size=min_size)
    valid = valid.numpy()
    assert 0 < valid.sum() < count
    np.testing.assert_array_equal(ours.labels[0] > 0, valid)
    np.testing.assert_array_equal(ours.boxes[0][valid], left.numpy())
    np.testing.assert_array_equal(ours.masks.any((2, 3))[0], valid)
    assert not np.asarray(ours.boxes)[0][~valid].any()


def test_sanitize_knows_each_pictures_size_and_leaves_no_object_none():
    boxes = jnp.asarray([[[0.0, 0, 9, 9], [6, 6, 9, 9]], [[0, 0, 9, 9], [6, 6, 9, 9]]])
    targets = Targets(boxes, jnp.asarray([[1, 2], [0, 2]], jnp.int32))
    left = augment.sanitize(targets, jnp.asarray([[7, 7], [9, 8]], jnp.int32), min_size=2)
    assert left.labels.tolist() == [[1, 0], [0, 2]]
    assert left.boxes.tolist() == [[[0, 0, 7, 7], [0, 0, 0, 0]], [[0, 0, 0, 0], [6, 6, 8, 9]]]
    assert left.masks is None
