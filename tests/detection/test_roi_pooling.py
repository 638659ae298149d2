from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import multiscale_roi_align, roi_align
from tests import pytorch
from tests.detection import drawn

HEIGHT, WIDTH = 19, 24
BESIDE = [  # the map, wholly or in part
    (-7, -5, 9, 8),
    (15, 12, 40, 33),
    (-9, 3, 50, 9),
    (-30, -30, -20, -20),
    (60, 2, 70, 9),
    (3, 80, 9, 99),
    (-0.5, -0.75, 24.25, 19.5),
    (-60, -60, 90, 90),  # around it
    (0, 0, 200, 3),
]
WITHOUT_AREA = [(3, 4, 3, 4), (5, 2, 5, 9), (2.5, 7.25, 9, 7.25), (0, 0, 0, 0)]


def within(boxes, height, width, place=1):
    """Boxes of which no sample is outside the map, as small ones are enlarged to a place of it."""
    return np.concatenate([np.minimum(boxes[:, :2], (width - place, height - place)), boxes[:, 2:]], 1).astype(
        np.float32
    )


def theirs(boxes, output_size, **arguments):
    """torchvision's ``roi_align`` of one image [H, W, C]."""
    ops, boxes = pytorch.detection_ops().ops, pytorch.torch().tensor(boxes)

    def function(features):
        pooled = ops.roi_align(features.movedim(-1, 0)[None], [boxes], output_size, **arguments)
        return pooled.movedim(1, -1)

    return function


def assert_same_roi_align(rng, boxes, output_size, **arguments):
    features = rng.normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
    boxes = np.asarray(boxes, np.float32)
    ours = partial(roi_align, boxes=boxes, output_size=output_size, **arguments)
    pytorch.assert_same_function(ours, theirs(boxes, output_size, **arguments), features)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling_ratio", [1, 2, 3, -1])
@pytest.mark.parametrize("output_size", [pytest.param(3, marks=pytest.mark.long), (5, 2)])
def test_roi_align_equals_torchvisions_value_and_gradient(rng, output_size, sampling_ratio, aligned):
    boxes = np.concatenate([drawn.boxes(rng, 20, height=HEIGHT, width=WIDTH), np.asarray([(0, 0, WIDTH, HEIGHT)])])
    boxes = within(boxes, HEIGHT, WIDTH)
    for scale in (1.0, 0.25):
        assert_same_roi_align(
            rng, boxes / scale, output_size, sampling_ratio=sampling_ratio, aligned=aligned, spatial_scale=scale
        )


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling_ratio", [2, -1])
def test_roi_align_of_boxes_without_area_equals_torchvisions(rng, sampling_ratio, aligned):
    if aligned and sampling_ratio < 0:
        pytorch.needs_compiled_ops()  # the other divides by no samples
    assert_same_roi_align(rng, WITHOUT_AREA, (2, 3), sampling_ratio=sampling_ratio, aligned=aligned)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling_ratio", [1, 2, 3, -1])
def test_roi_align_of_boxes_beside_the_map_equals_torchvisions(rng, sampling_ratio, aligned):
    pytorch.needs_compiled_ops()
    boxes = np.concatenate([BESIDE, drawn.boxes(rng, 60, height=60, width=60) - 20])
    assert_same_roi_align(rng, boxes, (4, 3), sampling_ratio=sampling_ratio, aligned=aligned)


@pytest.mark.parametrize("sampling_ratio", [2, -1])
def test_roi_align_of_boxes_far_away_is_zero(rng, sampling_ratio):
    boxes = np.asarray([(-30, -30, -20, -20), (60, 2, 70, 9), (3, 80, 9, 99)], np.float32)
    features = rng.normal(size=(HEIGHT, WIDTH, 2)).astype(np.float32)
    pooled = jax.jit(lambda *both: roi_align(*both, 3, sampling_ratio=sampling_ratio))(features, boxes)
    np.testing.assert_array_equal(pooled, np.zeros((3, 3, 3, 2)))


@pytest.mark.parametrize("size", [7, 14])
def test_roi_align_takes_as_many_samples_as_a_cell_is_long(rng, size):
    """Of sides that are multiples of the cells, where a number that is rounded up must not have been rounded."""
    features = rng.normal(size=(50, 50, 1)).astype(np.float32)
    sides = np.arange(size, 50, size)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=-1).astype(np.float32)
    pooled = jax.jit(lambda *both: roi_align(*both, size))(features, boxes)
    pytorch.assert_close(pooled, theirs(boxes, size)(pytorch.torch().tensor(features)))


@pytest.mark.parametrize("sampling_ratio", [2, -1])
def test_roi_align_has_no_gradient_by_the_boxes(rng, sampling_ratio):
    features = jnp.asarray(rng.normal(size=(HEIGHT, WIDTH, 2)), jnp.float32)
    boxes = drawn.boxes(rng, 4, height=HEIGHT, width=WIDTH)
    pool = partial(roi_align, output_size=2, sampling_ratio=sampling_ratio)
    gradient = jax.jit(jax.grad(lambda boxes: pool(features, boxes).sum()))(boxes)
    np.testing.assert_array_equal(gradient, np.zeros_like(boxes))


@pytest.mark.parametrize("sampling_ratio", [2, -1])
def test_roi_align_of_batches_equals_that_of_each(rng, sampling_ratio):
    features = rng.normal(size=(3, HEIGHT, WIDTH, 2)).astype(np.float32)
    boxes = np.stack([drawn.boxes(rng, 5, height=side, width=side) for side in (4, 15, 60)])
    pool = jax.jit(partial(roi_align, output_size=(2, 3), sampling_ratio=sampling_ratio))
    each = jnp.stack([pool(*pair) for pair in zip(features, boxes, strict=True)])
    np.testing.assert_allclose(jax.vmap(pool)(features, boxes), each, rtol=1e-5, atol=1e-6)


def pyramid(rng, image, strides):
    return [
        rng.normal(size=(-(-image[0] // stride), -(-image[1] // stride), 2)).astype(np.float32) for stride in strides
    ]


def boxes_of_all_levels(rng, image):
    height, width = image
    squares = [[(0, 0, side, side)] for side in (1, 111, 112, 113, 223, 224, 225, 447, 448, 449) if side <= min(image)]
    small = [drawn.boxes(rng, 20, height=side, width=side) for side in (30, 90, 200, 400) if side <= min(image)]
    points = [(3, 4, 3, 4), (9, 9, 30, 9)]
    return np.concatenate([*squares, points, *small, drawn.boxes(rng, 20, height=height, width=width)]).astype(
        np.float32
    )


def assert_same_multiscale(rng, image, strides, boxes, output_size, sampling_ratio):
    ops, torch = pytorch.detection_ops().ops, pytorch.torch()
    names = [str(index) for index in range(len(strides))]
    pooler = ops.MultiScaleRoIAlign(names, output_size, sampling_ratio)

    def expected(*maps):
        maps = {name: of.movedim(-1, 0)[None] for name, of in zip(names, maps, strict=True)}
        return pooler(maps, [torch.tensor(boxes)], [image]).movedim(1, -1)

    def ours(*maps):
        return multiscale_roi_align(maps, boxes, output_size, image=image, sampling_ratio=sampling_ratio)

    pytorch.assert_same_function(ours, expected, *pyramid(rng, image, strides), rtol=5e-5)


@pytest.mark.parametrize(
    ("image", "strides", "output_size", "sampling_ratio"),
    [
        ((512, 640), (4, 8, 16, 32), 7, 2),
        ((512, 640), (4, 8, 16, 32), 2, 3),
        ((500, 333), (4, 8, 16, 32), 3, 2),  # no multiple of 32
        ((320, 448), (32, 32), 7, 2),
        ((320, 448), (32,), 2, 1),
    ],
)
def test_multiscale_roi_align_equals_torchvisions_value_and_gradients(rng, image, strides, output_size, sampling_ratio):
    boxes = within(boxes_of_all_levels(rng, image), *image, strides[-1])
    assert_same_multiscale(rng, image, strides, boxes, output_size, sampling_ratio)


def test_multiscale_roi_align_of_boxes_beside_the_picture_equals_torchvisions(rng):
    pytorch.needs_compiled_ops()
    boxes = drawn.boxes(rng, 100, height=900, width=900) - 200
    assert_same_multiscale(rng, (512, 480), (4, 8, 16, 32), boxes, 3, 2)


def test_multiscale_roi_align_takes_each_box_from_one_map():
    image, strides = (512, 512), (4, 8, 16, 32)
    maps = [jnp.full((512 // stride, 512 // stride, 1), float(stride)) for stride in strides]
    sides = np.asarray([0, 1, 111, 112, 223, 224, 447, 448, 512], np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=-1)
    pooled = jax.jit(partial(multiscale_roi_align, output_size=2, image=image))(maps, boxes)
    np.testing.assert_array_equal(pooled[:, 0, 0, 0], [4, 4, 4, 8, 8, 16, 16, 32, 32])


def test_multiscale_roi_align_of_batches_equals_that_of_each(rng):
    image, strides = (256, 320), (4, 8, 16, 32)
    batch = [pyramid(rng, image, strides) for _ in range(3)]
    boxes = np.stack([drawn.boxes(rng, 9, height=256, width=320) for _ in range(3)])
    pool = jax.jit(partial(multiscale_roi_align, output_size=2, image=image))
    each = jnp.stack([pool(*pair) for pair in zip(batch, boxes, strict=True)])
    together = jax.vmap(pool)([np.stack(maps) for maps in zip(*batch, strict=True)], boxes)
    np.testing.assert_allclose(together, each, rtol=1e-5, atol=1e-6)
