import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import nms
from tests import pytorch
from tests.detection import drawn

THRESHOLDS = (0.0, 0.25, 0.5, 1.0)
COUNT = 40
compiled = jax.jit(nms, static_argnames="count")


def expected(boxes, scores, threshold, *, valid=None, groups=None):
    """Indices that torchvision keeps."""
    ops, torch = pytorch.detection_ops().ops, pytorch.torch()
    there = np.flatnonzero(np.ones(len(scores), bool) if valid is None else valid)
    boxes, scores = torch.tensor(boxes[there]), torch.tensor(scores[there])
    if groups is None:
        return there[ops.nms(boxes, scores, threshold).numpy()]
    return there[ops.batched_nms(boxes, scores, torch.tensor(groups[there]), threshold).numpy()]


def assert_kept(kept, indices, count):
    indices = indices[:count]
    assert kept.indices.shape == kept.valid.shape == (count,)
    assert kept.indices.dtype == jnp.int32
    np.testing.assert_array_equal(kept.valid, np.arange(count) < len(indices))
    np.testing.assert_array_equal(np.asarray(kept.indices)[: len(indices)], indices)


def crowd(rng, count, *, whole):
    """Boxes that overlap in heaps, and their scores, of which many are equal where the boxes are whole."""
    boxes = drawn.boxes(rng, 8, height=60, width=60, whole=whole)[rng.integers(0, 8, count)]
    boxes += rng.integers(0, 4, (count, 1)) if whole else rng.uniform(0, 6, (count, 4))
    scores = rng.integers(0, 5, count) / 4 if whole else rng.random(count)
    return boxes.astype(np.float32), scores.astype(np.float32)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_nms_keeps_what_torchvisions_keeps(rng, whole, grouped, masked):
    numbers = []
    for _ in range(8):
        boxes, scores = crowd(rng, 120, whole=whole)
        groups = rng.integers(0, 5, len(scores)).astype(np.int32) if grouped else None
        valid = rng.random(len(scores)) < 0.4 if masked else None
        for threshold in THRESHOLDS:
            indices = expected(boxes, scores, threshold, valid=valid, groups=groups)
            numbers.append(len(indices))
            kept = compiled(boxes, scores, threshold, count=COUNT, valid=valid, groups=groups)
            assert_kept(kept, indices, COUNT)
    assert min(numbers) < COUNT < max(numbers)


def test_nms_in_many_groups_keeps_what_torchvisions_keeps(rng):
    """Above 1000 boxes, ``batched_nms`` takes group by group instead of moving them apart."""
    boxes, scores = crowd(rng, 1200, whole=False)
    groups = rng.integers(0, 9, len(scores)).astype(np.int32)
    for threshold in (0.3, 0.7):
        kept = compiled(boxes, scores, threshold, count=500, groups=groups)
        assert_kept(kept, expected(boxes, scores, threshold, groups=groups), 500)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("number", [1, 6])
def test_nms_of_one_box_many_times_keeps_what_torchvisions_keeps(rng, number, threshold):
    for box in drawn.boxes(rng, 20):
        boxes, scores = np.tile(box, (number, 1)), np.full(number, 0.5, np.float32)
        indices = expected(boxes, scores, threshold)
        assert len(indices) == (number if threshold == 1 else 1)
        assert_kept(compiled(boxes, scores, threshold, count=8), indices, 8)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_nms_keeps_boxes_without_area_as_torchvisions_does(threshold):
    boxes = np.asarray([(0, 0, 9, 9), (3, 3, 3, 3), (3, 3, 3, 3), (1, 2, 1, 8), (50, 50, 50, 50)], np.float32)
    scores = np.asarray([0.5, 0.9, 0.4, 0.3, 0.2], np.float32)
    assert_kept(compiled(boxes, scores, threshold, count=5), expected(boxes, scores, threshold), 5)


def test_nms_suppresses_more_than_the_threshold_and_not_as_much():
    boxes = np.asarray([(0, 0, 2, 1), (0, 0, 1, 1), (10, 0, 13, 1), (10, 0, 12, 1)], np.float32)
    scores = np.asarray([4, 3, 2, 1], np.float32)  # the IoUs are exactly 1/2, and 2/3
    indices = expected(boxes, scores, 0.5)
    np.testing.assert_array_equal(indices, [0, 1, 2])
    assert_kept(compiled(boxes, scores, 0.5, count=4), indices, 4)


def test_nms_of_nothing_keeps_nothing(rng):
    boxes, scores = crowd(rng, 10, whole=False)
    kept = compiled(boxes, scores, 0.5, count=7, valid=np.zeros(10, bool))
    assert_kept(kept, np.zeros(0, int), 7)


def test_nms_of_batches_equals_that_of_each(rng):
    boxes, scores = map(np.stack, zip(*[crowd(rng, 50, whole=True) for _ in range(4)], strict=True))
    valid, groups = rng.random((4, 50)) < [[0.0], [0.1], [0.6], [1.0]], rng.integers(0, 3, (4, 50))

    def of_one(boxes, scores, valid, groups):
        return nms(boxes, scores, 0.4, count=12, valid=valid, groups=groups)

    together = jax.jit(jax.vmap(of_one))(boxes, scores, valid, groups)
    for index in range(4):
        alone = jax.jit(of_one)(boxes[index], scores[index], valid[index], groups[index])
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda x, i=index: x[i], together), alone)
