import jax
import numpy as np
import pytest
from scipy import stats

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import assert_same, functional, to_array, to_tensor, transforms
from tests.pytorch import torch

KEY = jax.random.key(3)
SHAPES = [(1, 16, 16, 3), (2, 9, 13, 1), (3, 12, 7, 3)]
ANGLES = [0, 13.7, -33.3, 101, 180, 211.5, -359]  # those of 45 degrees and the like put "nearest" on exact halves


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotate_and_its_gradient_are_torchvisions(floats, shape, interpolation):
    images, mode = floats(*shape), transforms().InterpolationMode(interpolation)
    assert_same(
        lambda x, angle: augment.rotate(x, angle, interpolation),
        lambda x, angle: functional().rotate(x, angle, mode),
        images,
        *[(angle,) for angle in ANGLES],
        atol=1e-5,
        gradient=True,
    )


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_quarter_turns_are_counter_clockwise(floats, turns, interpolation):
    images = floats(2, 8, 8, 3)
    rotated = augment.rotate(images, 90 * turns, interpolation)
    np.testing.assert_allclose(rotated, np.rot90(images, turns, (1, 2)), atol=1e-5)


@pytest.mark.parametrize("fill", [0.3, 1.0])
def test_fill_surrounds_the_image(floats, fill):
    images, mode = floats(2, 9, 13, 3), transforms().InterpolationMode
    nearest = functional().rotate(to_tensor(images), 30.5, mode.NEAREST, fill=[fill] * 3)
    np.testing.assert_allclose(augment.rotate(images, 30.5, fill=fill), to_array(nearest), atol=1e-6)
    # torchvision blends twice where a fill is given: so that it fills with 0 and has no fill given here
    bilinear = functional().rotate(to_tensor(images) - fill, 30.5, mode.BILINEAR) + fill
    np.testing.assert_allclose(augment.rotate(images, 30.5, "bilinear", fill), to_array(bilinear), atol=1e-5)


def test_rotate_takes_an_angle_an_image_and_keeps_uint8(images):
    angles = np.linspace(-170, 170, len(images))
    together = jax.jit(augment.rotate)(images, angles)
    assert together.dtype == np.uint8
    for n in range(0, len(images), 9):
        alone = functional().rotate(to_tensor(images[n : n + 1]), angles[n])
        np.testing.assert_array_equal(together[n], to_array(alone)[0])


@pytest.mark.parametrize(("degrees", "pair"), [(30, (-30, 30)), ((10, 80), (10, 80))])
def test_random_rotation_draws_an_even_angle_for_each_image(degrees, pair):
    images = np.zeros((500, 31, 31, 2), np.float32)
    images[:, :, :, 0], images[:, :, :, 1] = np.mgrid[-15:16, -15:16]
    turned = np.asarray(augment.random_rotation(KEY, images, degrees, "bilinear"))[:, 15, 20]  # 5 right of the middle
    angles = np.degrees(np.arctan2(turned[:, 0], turned[:, 1]))  # where that pixel came from
    draw = transforms().RandomRotation.get_params
    torch().manual_seed(0)
    theirs = [draw(pair) for _ in range(2000)]
    assert stats.ks_2samp(angles, theirs).pvalue > 0.01
    assert abs(np.corrcoef(angles[:-1], angles[1:])[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: augment.rotate(x, 10, "bicubic"), "unknown interpolation 'bicubic'.*Known: bilinear, nearest"),
        (lambda x: augment.rotate(x, np.zeros(3)), r"degrees must be one number or one an image, \[64\], .* \(3,\)"),
        (lambda x: augment.rotate(x[0], 10), "images must be"),
        (lambda x: augment.random_rotation(KEY, x, -10), "degrees must be 0 or more, got -10"),
        (lambda x: augment.random_rotation(KEY, x, (20, 10)), r"degrees must be two numbers, .* \(20, 10\)"),
        (lambda x: augment.random_rotation(KEY, x[0], 10), "images must be"),
    ],
)
def test_rotation_names_the_argument_at_fault(images, call, message):
    with pytest.raises(UserError, match=message):
        call(images)
