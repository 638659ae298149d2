from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import paste_masks
from tests import pytorch
from tests.detection import drawn

HEIGHT, WIDTH = 60, 80
COUNT = 80
compiled = jax.jit(partial(paste_masks, size=(HEIGHT, WIDTH)))


def theirs(masks, boxes):
    """torchvision's, of masks [K, M, M]."""
    pytorch.detection_ops()
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    return paste_masks_in_image(masks[:, None], boxes, (HEIGHT, WIDTH))[:, 0]


def assert_same_pasting(rng, boxes, side=28):
    masks = rng.random((COUNT, side, side)).astype(np.float32)
    boxes = boxes[np.arange(COUNT) % len(boxes)].astype(np.float32)
    expected = theirs(pytorch.torch().tensor(masks), pytorch.torch().tensor(boxes))
    pytorch.assert_close(compiled(masks, boxes), expected, rtol=1e-4)
    assert expected.any()


@pytest.mark.parametrize("side", [28, 14, 5])
def test_paste_masks_equals_torchvisions(rng, side):
    assert_same_pasting(rng, drawn.boxes(rng, COUNT, height=HEIGHT, width=WIDTH), side)
    assert_same_pasting(rng, drawn.boxes(rng, COUNT, height=HEIGHT, width=WIDTH, whole=True), side)


@pytest.mark.parametrize("side", [28, 14])
def test_paste_masks_of_sides_as_long_as_the_grid_equals_torchvisions(rng, side):
    """Of which the enlarged corners are whole numbers, but for rounding."""
    corners, sides = rng.integers(1, 40, (COUNT, 2)), np.arange(COUNT)[:, None] % 59 * side / 28
    assert_same_pasting(rng, np.concatenate([corners, corners + sides], axis=-1), side)


def test_paste_masks_beyond_the_border_equals_torchvisions(rng):
    boxes = drawn.boxes(rng, 3 * COUNT, height=160, width=180) - 50
    meets = (boxes[:, 2:] > 1).all(1) & (boxes[:, :2] < (WIDTH - 2, HEIGHT - 2)).all(1)
    boxes = boxes[meets][: COUNT - 5]
    around = [(0, 0, WIDTH, HEIGHT), (-500, -400, 900, 700), (-20, 10, 200, 11), (-9, -9, 2, 2), (70, 50, 99, 99)]
    assert_same_pasting(rng, np.concatenate([boxes, around]))


def test_paste_masks_of_tiny_boxes_equals_torchvisions(rng):
    corners = rng.uniform(2, 55, (COUNT, 2))
    sides = rng.choice([0, 1e-3, 0.1, 0.9, 1, 1.5, 2, 3], (COUNT, 2))
    assert_same_pasting(rng, np.concatenate([corners, corners + sides], axis=-1))
    corners = np.floor(corners)
    assert_same_pasting(rng, np.concatenate([corners, corners + sides], axis=-1))


def test_paste_masks_of_boxes_outside_the_picture_is_nothing():
    boxes = np.asarray([(-40, 3, -20, 30), (90, 3, 99, 30), (3, -40, 30, -9), (3, 70, 30, 99), (500, 500, 900, 900)])
    pasted = compiled(jnp.ones((5, 28, 28)), boxes.astype(np.float32))
    np.testing.assert_array_equal(pasted, np.zeros((5, HEIGHT, WIDTH)))


def test_paste_masks_has_the_gradient_of_torchvisions(rng):
    boxes = drawn.boxes(rng, 6, height=HEIGHT, width=WIDTH)
    masks = rng.random((6, 14, 14)).astype(np.float32)
    paste = partial(paste_masks, boxes=boxes, size=(HEIGHT, WIDTH))
    pytorch.assert_same_function(paste, partial(theirs, boxes=pytorch.torch().tensor(boxes)), masks, rtol=1e-4)


def test_paste_masks_of_batches_equals_that_of_each(rng):
    masks = rng.random((3, 4, 14, 14)).astype(np.float32)
    boxes = np.stack([drawn.boxes(rng, 4, height=HEIGHT, width=WIDTH) for _ in range(3)])
    each = jnp.stack([compiled(*pair) for pair in zip(masks, boxes, strict=True)])
    np.testing.assert_allclose(jax.vmap(compiled)(masks, boxes), each, atol=1e-6)
