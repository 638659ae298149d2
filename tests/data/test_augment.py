import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data import augment

KEY = jax.random.key(3)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (64, 8, 10, 3), np.uint8)


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_rest(images):
    images = np.concatenate([images] * 16)
    flipped = np.asarray(augment.flip(KEY, images))
    same = (flipped == images).all((1, 2, 3))
    mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert 0.45 < mirrored.mean() < 0.55


def test_crop_gives_windows_of_the_reflected_image_at_every_shift(images):
    padding = 2
    cropped = np.asarray(augment.crop(KEY, np.repeat(images[:1], 2000, 0), padding))
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = {padded[y : y + 8, x : x + 10].tobytes(): (y, x) for y in range(5) for x in range(5)}
    seen = [windows[image.tobytes()] for image in cropped]  # a KeyError is a window that should not be
    counts = np.bincount([5 * y + x for y, x in seen], minlength=25)
    assert counts.min() > 40  # of an expected 80


def test_cutout_blanks_one_square_clipped_at_the_border(images):
    filled = np.asarray(augment.cutout(KEY, jnp.ones((3000, 8, 10, 1)), 4))[..., 0]
    holes = filled == 0
    assert set(np.unique(filled)) == {0.0, 1.0}
    heights, widths = holes.any(2).sum(1), holes.any(1).sum(1)
    assert (holes.sum((1, 2)) == heights * widths).all()  # a full rectangle
    assert heights.max() == widths.max() == 4
    assert heights.min() == widths.min() == 2  # its centre lies on the border
    assert holes.any(0).all()  # every pixel can be hit


def test_normalize_is_to_tensor_then_normalize(images):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.1)
    expected = (images / 255.0 - mean) / std
    np.testing.assert_allclose(augment.normalize(images, mean, std), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(augment.normalize(images), images / 255.0, rtol=1e-6)


def test_transforms_keep_uint8_and_shape_and_are_equal_under_jit(images):
    for transform in (augment.flip, augment.crop, augment.cutout):
        plain, compiled = transform(KEY, images), jax.jit(transform)(KEY, images)
        assert plain.dtype == jnp.uint8
        assert plain.shape == images.shape
        np.testing.assert_array_equal(plain, compiled)


def test_pipeline_draws_anew_for_each_key_and_the_same_for_one_key(images):
    transform = augment.pipeline(flip_images=True, crop_padding=2, cutout_size=3)
    first, again, other = transform(KEY, images), transform(KEY, images), transform(jax.random.key(4), images)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == jnp.float32
    assert not np.array_equal(first, other)


def test_pipeline_of_nothing_only_scales(images):
    np.testing.assert_array_equal(augment.pipeline()(KEY, images), augment.normalize(images))
