from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data import augment
from jaxdl.errors import UserError

KEY = jax.random.key(3)


def test_compose_applies_in_order_and_gives_each_its_own_key(images):
    seen = []

    def spy(key, images):
        seen.append(jax.random.key_data(key).tolist())
        return images

    double, add = augment.plain(lambda images: images * 2), augment.plain(lambda images, more: images + more, more=1)
    result = augment.compose(spy, double, spy, add, spy)(KEY, jnp.zeros(3))
    np.testing.assert_array_equal(result, [1, 1, 1])
    assert len({tuple(key) for key in seen}) == 3


def test_compose_of_the_documented_example_runs_compiled(images):
    transform = augment.compose(
        augment.plain(augment.to_float),
        augment.flip,
        partial(augment.random_crop, size=6, padding=1),
        partial(augment.color_jitter, brightness=0.4, hue=0.1),
        augment.compose(partial(augment.random_rotation, degrees=10)),
        augment.plain(augment.standardize, mean=(0.5,), std=(0.25,)),
    )
    compiled = jax.jit(transform)
    first, other = compiled(KEY, images), compiled(jax.random.key(4), images)
    assert first.shape == (64, 6, 6, 3)
    assert first.dtype == jnp.float32
    assert not np.allclose(first, other, atol=0.1)


def test_random_choice_draws_with_the_given_probabilities():
    add = [lambda key, x, n=n: x + n for n in range(3)]
    for p, expected in [(None, (1 / 3, 1 / 3, 1 / 3)), ((0.2, 0.8, 0.0), (0.2, 0.8, 0.0))]:
        draw = jax.vmap(lambda key, p=p: augment.random_choice(*add, p=p)(key, jnp.zeros((), int)))
        shares = np.bincount(draw(jax.random.split(KEY, 3000)), minlength=3) / 3000
        np.testing.assert_allclose(shares, expected, atol=0.03)


def test_random_choice_names_what_is_wrong():
    with pytest.raises(UserError, match="at least one transform"):
        augment.random_choice()
    for p in [(0.5, 0.4), (1.0,), (1.5, -0.5)]:
        with pytest.raises(UserError, match="p must be 2 probabilities"):
            augment.random_choice(augment.flip, augment.flip_vertical, p=p)


@pytest.mark.long
def test_transforms_keep_uint8_and_shape_and_are_equal_under_jit(images):
    for transform in (augment.flip, augment.flip_vertical, augment.crop, augment.cutout):
        plain, compiled = transform(KEY, images), jax.jit(transform)(KEY, images)
        assert plain.dtype == jnp.uint8
        assert plain.shape == images.shape
        np.testing.assert_array_equal(plain, compiled)


def test_pipeline_is_flip_crop_normalize_cutout(images):
    transform = augment.pipeline(mean=(0.5,), std=(0.2,), flip_images=True, crop_padding=2, cutout_size=3)
    flip_key, crop_key, cutout_key = jax.random.split(KEY, 3)
    expected = augment.crop(crop_key, augment.flip(flip_key, images), 2)
    expected = augment.cutout(cutout_key, augment.normalize(expected, (0.5,), (0.2,)), 3)
    np.testing.assert_array_equal(transform(KEY, images), expected)


def test_pipeline_draws_anew_for_each_key_and_the_same_for_one_key(images):
    transform = augment.pipeline(flip_images=True, crop_padding=2, cutout_size=3)
    first, again, other = transform(KEY, images), transform(KEY, images), transform(jax.random.key(4), images)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == jnp.float32
    assert not np.array_equal(first, other)


def test_pipeline_of_nothing_only_scales(images):
    np.testing.assert_array_equal(augment.pipeline()(KEY, images), augment.normalize(images))
