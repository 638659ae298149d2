"""Masks go where their images go."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import functional, to_array, to_tensor, transforms

KEY = jax.random.key(7)
OUTSIDE = -1.0
TRANSFORMS = {
    "flip": augment.flip,
    "flip_vertical": augment.flip_vertical,
    "random_crop": partial(augment.random_crop, size=(20, 24), padding=6, fill=OUTSIDE),
    "random_scaled_crop": partial(augment.random_scaled_crop, size=(24, 20), interpolation="nearest", fill=OUTSIDE),
    "random_resized_crop": partial(augment.random_resized_crop, size=16, interpolation="nearest"),
    "random_rotation": partial(augment.random_rotation, degrees=40, fill=OUTSIDE),
}


@pytest.fixture
def masks(rng):
    return rng.integers(0, 200, (16, 30, 40), np.uint8)


@pytest.mark.parametrize("names", [*([name] for name in TRANSFORMS), ["random_scaled_crop", "flip", "random_rotation"]])
def test_every_pixel_keeps_its_class(masks, names):
    images = jnp.repeat(masks[..., None], 3, axis=-1).astype(jnp.float32)
    transform = jax.jit(augment.jointly(*(TRANSFORMS[name] for name in names)))
    pixels, found = transform(KEY, images, masks)
    assert found.dtype == jnp.uint8
    assert found.shape == pixels.shape[:3]
    expected = np.where(found == 255, OUTSIDE, found.astype(np.float32))
    np.testing.assert_array_equal(pixels, np.repeat(expected[..., None], 3, axis=-1))
    assert len({each.tobytes() for each in np.asarray(found)}) == len(masks)
    if names not in (["random_resized_crop"], ["flip"], ["flip_vertical"]):
        assert (np.asarray(found) == 255).any()
    assert not np.array_equal(found, transform(jax.random.key(8), images, masks)[1])


def test_the_images_transform_is_what_it_is_without_masks(masks, rng):
    images = rng.random((16, 30, 40, 3), np.float32)
    transform = partial(augment.random_scaled_crop, size=24)
    pixels, _ = augment.jointly(transform)(KEY, images, masks)
    np.testing.assert_array_equal(pixels, transform(jax.random.fold_in(KEY, 0), images))


def test_masks_of_another_size_are_a_user_error(masks, rng):
    with pytest.raises(UserError, match=r"masks must have shape \(2, 30, 40\), that of the images, got \(16, 30, 40\)"):
        augment.jointly(augment.flip)(KEY, rng.random((2, 30, 40, 3), np.float32), masks)


def test_scaled_crops_of_half_the_size_are_torchvisions_resize_of_the_filled_image(floats):
    """The window of 40 pixels is larger than the image: it has one place."""
    images = floats(3, 30, 36, 3)
    found = augment.random_scaled_crop(KEY, images, 20, scale=(0.5, 0.5), fill=0.25)
    filled = functional().pad(to_tensor(images), [0, 0, 4, 10], fill=0.25)
    expected = functional().resize(filled, [20, 20], transforms().InterpolationMode.BILINEAR, antialias=True)
    np.testing.assert_allclose(found, to_array(expected), atol=1e-6)


def test_scaled_crops_of_the_size_itself_are_windows_everywhere(rng):
    images = np.arange(12 * 14, dtype=np.float32).reshape(1, 12, 14, 1).repeat(400, 0)
    corners = np.asarray(augment.random_scaled_crop(KEY, images, (9, 8), scale=(1.0, 1.0)))
    places = {(int(value) // 14, int(value) % 14) for value in corners[:, 0, 0, 0]}
    assert places == {(y, x) for y in range(4) for x in range(7)}
    np.testing.assert_array_equal(corners[:, 1, 1, 0], corners[:, 0, 0, 0] + 15)


def test_scales_are_uniform(rng):
    """A ramp's slope tells the factor."""
    from scipy import stats

    images = jnp.broadcast_to(jnp.arange(400.0).reshape(1, 1, 400, 1), (500, 8, 400, 1))
    found = augment.random_scaled_crop(KEY, images, (4, 100), scale=(0.5, 2.0), antialias=False)
    factors = 1 / np.asarray(found[:, 0, 51, 0] - found[:, 0, 50, 0])
    assert stats.kstest(factors, stats.uniform(0.5, 1.5).cdf).pvalue > 0.01


@pytest.mark.parametrize("scale", [(0, 1), (2, 1), 0.5])
def test_scales_that_are_none_are_a_user_error(scale, rng):
    with pytest.raises(UserError, match="scale"):
        augment.random_scaled_crop(KEY, rng.random((1, 8, 8, 3), np.float32), 4, scale=scale)
