import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import match
from tests import pytorch
from tests.detection import drawn

THRESHOLDS = [(0.7, 0.3), (0.5, 0.5), (0.5, 0.4), (1.0, 0.0), (0.05, 0.01)]
compiled = jax.jit(match, static_argnames=("high", "low", "low_quality"))


def expected(objects, there, boxes, *, high, low, low_quality):
    """Of torchvision, which is given the objects that are there."""
    ops, torch = pytorch.detection_ops().ops, pytorch.torch()
    from torchvision.models.detection._utils import Matcher

    rows = np.flatnonzero(there)
    iou = ops.box_iou(torch.tensor(objects[rows]), torch.tensor(boxes))
    found = Matcher(high, low, allow_low_quality_matches=low_quality)(iou).numpy()
    return np.where(found >= 0, rows[np.maximum(found, 0)], found)


@pytest.mark.parametrize("low_quality", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_match_equals_torchvisions(rng, whole, low_quality):
    for _ in range(5):
        objects = drawn.boxes(rng, 12, height=20, width=20, whole=whole)
        boxes = drawn.boxes(rng, 300, height=20, width=20, whole=whole)
        objects[6:8], boxes[100:110] = objects[0], objects[3]  # ties of objects, and of boxes
        objects[9] = (500, 500, 510, 510)  # far from every box
        there = rng.random(12) < 0.7
        there[[0, 9]] = True
        for high, low in THRESHOLDS:
            arguments = {"high": high, "low": low, "low_quality": low_quality}
            ours = compiled(objects, there, boxes, **arguments)
            assert ours.dtype == jnp.int32
            np.testing.assert_array_equal(ours, expected(objects, there, boxes, **arguments))


def test_match_gives_every_object_its_best_boxes_if_asked(rng):
    objects, boxes = drawn.boxes(rng, 20), drawn.boxes(rng, 400)
    there = np.arange(20) < 15
    found = compiled(objects, there, boxes, high=2.0, low=0.0, low_quality=True)
    assert 10 < (found >= 0).sum() <= 15  # fewer than objects, where two have the same best box
    assert (compiled(objects, there, boxes, high=2.0, low=0.0, low_quality=False) == -2).all()


@pytest.mark.parametrize("low_quality", [False, True])
@pytest.mark.parametrize("rows", [1, 4])
def test_match_without_objects_is_all_background(rng, rows, low_quality):
    boxes = drawn.boxes(rng, 30)
    for objects in (np.zeros((rows, 4), np.float32), boxes[:rows]):
        found = compiled(objects, np.zeros(rows, bool), boxes, high=0.5, low=0.3, low_quality=low_quality)
        np.testing.assert_array_equal(found, np.full(30, -1))


def test_match_does_not_see_rows_that_fill_up(rng):
    objects, boxes = drawn.boxes(rng, 3), drawn.boxes(rng, 200)
    arguments = {"high": 0.6, "low": 0.3, "low_quality": True}
    alone = compiled(objects, np.ones(3, bool), boxes, **arguments)
    for filling in (np.zeros((5, 4), np.float32), boxes[:5], np.tile(objects[:1], (5, 1))):
        filled = compiled(np.concatenate([objects, filling]), np.arange(8) < 3, boxes, **arguments)
        np.testing.assert_array_equal(filled, alone)


def test_match_of_batches_equals_that_of_each(rng):
    objects, boxes = (np.stack([drawn.boxes(rng, count, whole=True) for _ in range(4)]) for count in (6, 90))
    there = rng.random((4, 6)) < [[0.0], [0.3], [0.7], [1.0]]

    def of_one(objects, there, boxes):
        return match(objects, there, boxes, high=0.6, low=0.2, low_quality=True)

    each = jnp.stack([jax.jit(of_one)(*one) for one in zip(objects, there, boxes, strict=True)])
    np.testing.assert_array_equal(jax.jit(jax.vmap(of_one))(objects, there, boxes), each)
