import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import detection
from jaxdl.errors import UserError
from tests import pytorch
from tests.detection import drawn

OVERLAPS = ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou")
FORMATS = ("xyxy", "xywh", "cxcywh")
OF_AREA = [
    (0, 0, 10, 10),
    (1, 1, 9, 9),  # inside it
    (-20, -20, 40, 40),  # around it
    (1e4, 1e4, 1.001e4, 1.002e4),  # far away
    (-9, -8, -5, -1),
    (-0.5, 2, -0.25, 50),  # thin
    (3, 4, 3.25, 4.5),
]
TOUCHING = [(10, 0, 20, 10), (0, 10, 10, 20), (10, 10, 12, 13)]  # the first: beside it, below it, at its corner
NARROW = [(5, 2, 5, 9), (0, 0, 0, 10)]
FLAT = [(2, 5, 9, 5), (0, 0, 10, 0)]
POINTS = [(5, 5, 5, 5), (0, 0, 0, 0)]


def of_torchvision(name):
    return getattr(pytorch.detection_ops().ops, name)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_equal_torchvisions_value_and_gradients(rng, name, scale):
    for _ in range(5):
        first, second = (drawn.boxes(rng, count) * np.float32(scale) for count in (13, 10))
        pytorch.assert_same_function(getattr(detection, name), of_torchvision(name), first, second)


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_of_extreme_boxes_equal_torchvisions_value_and_gradients(name):
    """Boxes that do not touch: where one side is 0, ``clamp`` has one gradient in PyTorch 2.13, another in 2.14."""
    boxes = np.asarray(OF_AREA, np.float32)
    pytorch.assert_same_function(getattr(detection, name), of_torchvision(name), boxes, boxes)


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_of_boxes_that_touch_or_have_no_area_equal_torchvisions(name):
    first = np.asarray(OF_AREA + TOUCHING + NARROW + FLAT + POINTS, np.float32)
    second = np.asarray(OF_AREA + TOUCHING, np.float32)
    for pair in ((first, second), (second, first)):
        expected = of_torchvision(name)(*map(pytorch.torch().tensor, pair)).numpy()
        ours = np.array(jax.jit(getattr(detection, name))(*pair))
        assert np.isfinite(ours).all()
        assert np.isfinite(expected).all() or name == "complete_box_iou"  # whose angle of a point is NaN
        ours[np.isnan(expected)] = np.nan
        pytorch.assert_close(ours, expected)


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_and_gradients_of_boxes_without_area_are_finite(name):
    boxes = jnp.asarray(NARROW + FLAT + POINTS, jnp.float32)
    overlap = jax.jit(getattr(detection, name))
    assert jnp.isfinite(overlap(boxes, boxes)).all()
    for gradient in jax.jit(jax.grad(lambda *both: overlap(*both).sum(), (0, 1)))(boxes, boxes):
        assert jnp.isfinite(gradient).all()
    if name == "box_iou":
        assert not overlap(boxes, boxes).any()


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_of_batches_equal_those_of_each(rng, name):
    first, second = (np.stack([drawn.boxes(rng, count) for _ in range(3)]) for count in (5, 7))
    overlap = jax.jit(getattr(detection, name))
    each = jnp.stack([overlap(*pair) for pair in zip(first, second, strict=True)])
    np.testing.assert_allclose(jax.vmap(overlap)(first, second), each, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(overlap(first, second), each, rtol=1e-5, atol=1e-6)


def test_box_area_equals_torchvisions_value_and_gradient(rng):
    boxes = np.concatenate([drawn.boxes(rng, 20), np.asarray(OF_AREA + TOUCHING + NARROW + FLAT + POINTS, np.float32)])
    pytorch.assert_same_function(detection.box_area, of_torchvision("box_area"), boxes)
    batch = boxes[:30].reshape(5, 6, 4)
    for index, areas in enumerate(jax.jit(jax.vmap(detection.box_area))(batch)):
        np.testing.assert_array_equal(areas, jax.jit(detection.box_area)(batch[index]))


@pytest.mark.parametrize(("first", "second"), [*itertools.product(FORMATS, FORMATS)])
def test_box_convert_equals_torchvisions_value_and_gradient(rng, first, second):
    boxes = np.concatenate([drawn.boxes(rng, 20), np.asarray(OF_AREA + TOUCHING + NARROW + FLAT + POINTS, np.float32)])
    ours = jax.jit(partial(detection.box_convert, in_fmt=first, out_fmt=second))
    pytorch.assert_same_function(ours, partial(of_torchvision("box_convert"), in_fmt=first, out_fmt=second), boxes)
    batch = boxes[:30].reshape(5, 6, 4)
    np.testing.assert_array_equal(jax.vmap(ours)(batch), jnp.stack([ours(each) for each in batch]))


def test_box_convert_names_an_unknown_format():
    with pytest.raises(UserError, match="format of boxes"):
        detection.box_convert(jnp.zeros((1, 4)), "xyxy", "yxyx")


def test_clip_boxes_to_image_equals_torchvisions_value_and_gradient(rng):
    boxes = rng.uniform(-50, 150, (60, 4)).astype(np.float32)
    pytorch.assert_same_function(
        partial(detection.clip_boxes_to_image, size=(70, 90)),
        partial(of_torchvision("clip_boxes_to_image"), size=(70, 90)),
        boxes,
    )
    on_the_border = np.asarray([(0, 0, 90, 70), (90, 70, 91, 71), (-1, -2, 0, 0)], np.float32)
    np.testing.assert_array_equal(
        jax.jit(detection.clip_boxes_to_image)(on_the_border, (70, 90)),
        of_torchvision("clip_boxes_to_image")(pytorch.torch().tensor(on_the_border), (70, 90)),
    )


def test_clip_boxes_to_image_takes_a_size_for_each_picture(rng):
    boxes = rng.uniform(-50, 150, (3, 20, 4)).astype(np.float32)
    sizes = np.asarray([(70, 90), (1, 1), (200, 10)], np.int32)
    clip = of_torchvision("clip_boxes_to_image")
    expected = [clip(pytorch.torch().tensor(of), tuple(size)) for of, size in zip(boxes, sizes.tolist(), strict=True)]
    for ours in (detection.clip_boxes_to_image, jax.vmap(detection.clip_boxes_to_image)):
        np.testing.assert_array_equal(jax.jit(ours)(boxes, sizes), pytorch.torch().stack(expected))


@pytest.mark.parametrize("least", [0.0, 1e-3, 1.0, 7.0, 30.0])
def test_large_enough_equals_torchvisions_remove_small_boxes(rng, least):
    special = np.asarray(OF_AREA + TOUCHING + NARROW + FLAT + POINTS + [(9, 9, 2, 2)], np.float32)
    for boxes in (drawn.boxes(rng, 200, whole=True), drawn.boxes(rng, 200), special):
        kept = of_torchvision("remove_small_boxes")(pytorch.torch().tensor(boxes), least)
        ours = jax.jit(detection.large_enough)(boxes, least)
        np.testing.assert_array_equal(np.flatnonzero(ours), kept)
        batched = jax.jit(jax.vmap(detection.large_enough, (0, None)))(np.stack([boxes, boxes[::-1]]), least)
        np.testing.assert_array_equal(batched, jnp.stack([ours, ours[::-1]]))
