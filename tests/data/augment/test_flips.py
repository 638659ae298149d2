import jax
import numpy as np
import pytest

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import assert_same, functional

KEY = jax.random.key(3)
FLIPS = [(augment.flip, np.s_[:, :, ::-1]), (augment.flip_vertical, np.s_[:, ::-1])]


@pytest.mark.parametrize("shape", [(1, 5, 8, 1), (3, 8, 5, 3)])
def test_mirror_and_upside_down_are_hflip_and_vflip(floats, shape):
    images = floats(*shape)
    assert_same(augment.mirror, functional().hflip, images)
    assert_same(augment.upside_down, functional().vflip, images)


@pytest.mark.parametrize(("flip", "turned"), FLIPS)
@pytest.mark.parametrize(("p", "low", "high"), [(0.5, 0.45, 0.55), (0.2, 0.16, 0.24), (0, 0, 0), (1, 1, 1)])
def test_flips_turn_a_share_of_p_of_the_images_and_leave_the_rest(images, flip, turned, p, low, high):
    images = np.concatenate([images] * 16)
    flipped = np.asarray(flip(KEY, images, p))
    same = (flipped == images).all((1, 2, 3))
    mirrored = (flipped == images[turned]).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert low <= mirrored.mean() <= high


@pytest.mark.parametrize(("flip", "turned"), FLIPS)
def test_flips_turn_half_of_the_images_by_default(images, flip, turned):
    np.testing.assert_array_equal(flip(KEY, images), flip(KEY, images, 0.5))


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_flips_refuse_what_is_not_a_probability(images, p):
    with pytest.raises(UserError, match=rf"^p must be between 0 and 1, got {p}\.$"):
        augment.flip(KEY, images, p)
    with pytest.raises(UserError, match=r"^p must be"):
        augment.flip_vertical(KEY, images, p)


@pytest.mark.parametrize("flip", [augment.mirror, augment.upside_down])
def test_flips_refuse_a_single_image(images, flip):
    with pytest.raises(UserError, match=r"images must be \[batch, .* got the shape \(8, 10, 3\)"):
        flip(images[0])
