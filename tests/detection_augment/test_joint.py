"""Properties that every transform has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.detection import augment
from jaxdl.detection.image_list import ImageList, Targets
from tests.detection_augment.painted import SIZES, TRANSFORMS, assert_agree, assert_trees_equal, keys, painted

pytestmark = pytest.mark.long

ALL = {**TRANSFORMS, "photometric_distort": augment.photometric_distort}


def batch_for(name, rng, **wanted):
    """A painted batch, of the three channels that colours need."""
    images, targets = painted(rng, **wanted)
    return (images.replace(images=images.images[..., -3:]) if name == "photometric_distort" else images), targets


@pytest.fixture(scope="module")
def compiled():
    """Each transform, compiled once a shape."""
    return {name: jax.jit(transform) for name, transform in ALL.items()}


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.uint8, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_boxes_and_masks_stay_with_the_picture(name, dtype, rng, compiled):
    remaining = 0
    for key in keys(12):
        images, targets = painted(rng, dtype=dtype)
        images, targets = compiled[name](key, images, targets)
        remaining += (targets.labels > 0).sum()
        # Two resamplings blur, and masks of the nearest pixel are moved by up to half a pixel each time.
        assert_agree(images, targets, atol=2.5 if name == "composed" else 1.0)
    assert remaining > 50


@pytest.mark.parametrize("name", ["scale_jitter", "mosaic"])
def test_no_visible_object_is_lost(name, rng, compiled):
    for key in keys(12, seed=5):
        images, targets = compiled[name](key, *painted(rng))
        painted_labels = np.asarray((images.images[..., :-1] > 0.5).any((1, 2)))
        for shown, labels in zip(painted_labels, np.asarray(targets.labels), strict=True):
            assert set(np.flatnonzero(shown) + 1) <= set(labels.tolist())


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.uint8, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ALL)
def test_dtypes_and_rows_stay(name, dtype, rng, compiled):
    images, targets = batch_for(name, rng, dtype=dtype)
    changed, kept = compiled[name](keys(1)[0], images, targets)
    assert changed.images.dtype == dtype
    assert (changed.sizes.dtype, changed.sizes.shape) == (jnp.int32, (len(SIZES), 2))
    assert [array.dtype for array in kept] == [jnp.float32, jnp.int32, jnp.bool]
    assert kept.labels.shape == targets.labels.shape
    assert kept.masks.shape == (*targets.labels.shape, *changed.images.shape[1:3])


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_a_compiled_transform_is_the_same(name, rng, compiled):
    images, targets = batch_for(name, rng, dtype=np.uint8)
    plain, kept = ALL[name](keys(1)[0], images, targets)
    changed, also = compiled[name](keys(1)[0], images, targets)
    assert_trees_equal(also.labels, kept.labels)
    assert_trees_equal((changed.sizes, also.boxes), (plain.sizes, kept.boxes), atol=1e-4)
    assert_trees_equal((changed.images, also.masks), (plain.images, kept.masks), atol=1)  # rounding of one half


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_many_keys_at_once_are_one_after_another(name, rng, compiled):
    images, targets = batch_for(name, rng)
    together = jax.jit(jax.vmap(ALL[name], (0, None, None)))(keys(3), images, targets)
    apart = [compiled[name](key, images, targets) for key in keys(3)]
    assert_trees_equal(together, jax.tree.map(lambda *arrays: jnp.stack(arrays), *apart), atol=1e-4)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("mosaic", "composed")])
def test_a_picture_does_not_depend_on_the_others(name, rng, compiled):
    images, targets = batch_for(name, rng)
    other_images, other_targets = batch_for(name, rng, sizes=SIZES[:1] + SIZES[:0:-1])
    mixed = jax.tree.map(lambda one, other: jnp.append(one[:1], other[1:], 0), *zip_trees(images, other_images))
    mixed_targets = jax.tree.map(lambda one, other: jnp.append(one[:1], other[1:], 0), targets, other_targets)
    for key in keys(4):
        one = compiled[name](key, images, targets)
        other = compiled[name](key, mixed, mixed_targets)
        assert_trees_equal(*(jax.tree.map(lambda array: array[0], each) for each in (one, other)))


def zip_trees(images, other):
    return images, other.replace(images=other.images.astype(images.images.dtype))


@pytest.mark.parametrize("name", ALL)
def test_rows_without_an_object_change_nothing(name, rng, compiled):
    images, targets = batch_for(name, rng)
    empty = targets.labels == 0
    rubbish = jnp.asarray(rng.uniform(-99, 99, targets.boxes.shape).astype(np.float32))
    disturbed = targets._replace(
        boxes=jnp.where(empty[..., None], rubbish, targets.boxes), masks=targets.masks | empty[..., None, None]
    )
    for key in keys(4):
        one, kept = compiled[name](key, images, targets)
        other, also = compiled[name](key, images, disturbed)
        assert_trees_equal((one, kept.labels), (other, also.labels))
        there = kept.labels > 0
        np.testing.assert_array_equal(kept.boxes[there], also.boxes[there])
        np.testing.assert_array_equal(kept.masks[there], also.masks[there])


@pytest.mark.parametrize("name", ALL)
def test_masks_may_be_missing(name, rng, compiled):
    images, targets = batch_for(name, rng)
    with_masks, expected = compiled[name](keys(1)[0], images, targets)
    without, kept = compiled[name](keys(1)[0], images, targets._replace(masks=None))
    assert kept.masks is None
    assert_trees_equal((with_masks, expected[:2]), (without, kept[:2]), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_pictures_without_objects_are_changed_too(name, rng, compiled):
    images, targets = batch_for(name, rng)
    nothing = jax.tree.map(jnp.zeros_like, targets)
    for key in keys(3):
        changed, kept = compiled[name](key, images, nothing)
        assert not any(np.asarray(array).any() for array in kept)
        assert np.isfinite(changed.images).all()
        if name == "iou_crop":
            assert_trees_equal(changed, images)


@pytest.mark.parametrize("name", ALL)
def test_extremes_are_sound(name, rng):
    """A picture of 10x640 and one of a single pixel, with one object of a single pixel each."""
    pixels = np.zeros((2, 12, 640, 3), np.uint8)
    pixels[0, 4, 300], pixels[1, 0, 0] = 255, 255
    images = ImageList(jnp.asarray(pixels), jnp.asarray([[10, 640], [1, 1]], jnp.int32))
    boxes = jnp.asarray([[[300.0, 4, 301, 5]], [[0, 0, 1, 1]]])
    targets = Targets(boxes, jnp.ones((2, 1), jnp.int32), jnp.asarray(pixels[:, None, :, :, 0] > 0))
    changed, kept = jax.jit(jax.vmap(ALL[name], (0, None, None)))(keys(8), images, targets)
    sides = np.asarray(kept.boxes[..., 2:] - kept.boxes[..., :2])
    assert np.isfinite(sides).all()
    assert (sides[np.asarray(kept.labels) > 0] > 0).all()
    assert (changed.sizes >= 1).all()
    assert (changed.sizes <= jnp.asarray(changed.images.shape[2:4]).reshape(1, 1, 2)).all()
    within = np.asarray(kept.boxes[:, :, 0, 2:]) <= np.asarray(changed.sizes)[..., ::-1]
    assert within.all()
