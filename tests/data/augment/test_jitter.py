import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import functional, to_array, to_tensor, transforms
from tests.pytorch import torch

KEY = jax.random.key(3)
NAMES = ("brightness", "contrast", "saturation", "hue")


def amount_of(name, image, jittered):
    """The factor or shift that made ``jittered`` of the dull picture ``image``."""
    if name == "brightness":
        return jittered[:, 0, 0, 0] / image[0, 0, 0]
    if name == "contrast":
        return (jittered[:, 0, 0, 0] - jittered[:, 0, 1, 0]) / (image[0, 0, 0] - image[0, 1, 0])
    if name == "saturation":
        return (jittered[:, 0, 0, 0] - jittered[:, 0, 0, 1]) / (image[0, 0, 0] - image[0, 0, 1])
    candidates = np.linspace(-0.5, 0.5, 1001)
    table = augment.adjust_hue(np.repeat(image[None], 1001, 0), candidates)
    return candidates[abs(np.asarray(table)[None] - jittered[:, None]).sum((2, 3, 4)).argmin(1)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("amount", [0.3, (0.1, 0.4)])
def test_color_jitter_draws_amounts_as_torchvision(name, amount):
    image = np.array([[[0.5, 0.35, 0.4], [0.3, 0.5, 0.45]]], np.float32)  # no factor up to 1.3 brings it to a limit
    jittered = np.asarray(augment.color_jitter(KEY, np.repeat(image[None], 1000, 0), **{name: amount}))
    ours = amount_of(name, image, jittered)
    reference = transforms().ColorJitter(**{name: amount})
    ranges = [getattr(reference, other) for other in NAMES]
    torch().manual_seed(0)
    theirs = [reference.get_params(*ranges)[1 + NAMES.index(name)] for _ in range(3000)]
    assert stats.ks_2samp(ours, theirs).pvalue > 0.01
    assert abs(np.corrcoef(ours[:-1], ours[1:])[0, 1]) < 0.1


@pytest.mark.long
def test_color_jitter_applies_the_four_in_every_order(floats):
    image, count = floats(1, 6, 7, 3), 2400
    amounts = {"brightness": 1.6, "contrast": 1.8, "saturation": 2.5, "hue": 0.2}
    fixed = {name: (value, value) for name, value in amounts.items()}
    jittered = np.asarray(augment.color_jitter(KEY, image.repeat(count, 0), **fixed))
    expected = []
    for order in itertools.permutations(NAMES):
        tensor = to_tensor(image)
        for name in order:
            tensor = getattr(functional(), f"adjust_{name}")(tensor, amounts[name])
        expected.append(to_array(tensor)[0])
    apart = [abs(a - b).max() for a, b in itertools.combinations(expected, 2)]
    assert min(apart) > 1e-3
    distance = abs(jittered[:, None] - np.stack(expected)[None]).max((2, 3, 4))
    assert distance.min(1).max() < 1e-5
    counts = np.bincount(distance.argmin(1), minlength=24)
    assert stats.chisquare(counts).pvalue > 0.01


def test_color_jitter_draws_its_amounts_apart():
    jittered = np.asarray(
        augment.color_jitter(KEY, np.full((2000, 1, 2, 3), (0.5, 0.3, 0.3), np.float32), brightness=0.3, saturation=0.3)
    )
    brightness = jittered[:, 0, 0] @ np.array([0.2989, 0.587, 0.114])
    saturation = (jittered[:, 0, 0, 0] - jittered[:, 0, 0, 1]) / brightness
    assert abs(np.corrcoef(brightness, saturation)[0, 1]) < 0.08


def test_color_jitter_of_nothing_and_of_one_channel_changes_what_it_should(floats):
    images, grey = floats(4, 5, 6, 3), floats(4, 5, 6, 1)
    np.testing.assert_array_equal(augment.color_jitter(KEY, images), images)
    np.testing.assert_allclose(augment.color_jitter(KEY, grey, saturation=0.9, hue=0.5), grey, rtol=1e-6)
    assert not np.allclose(augment.color_jitter(KEY, grey, brightness=0.9), grey)


@pytest.mark.parametrize("channels", [1, 3])
def test_random_grayscale_greys_a_share_of_p_of_the_images(floats, channels):
    images = floats(2000, 3, 4, channels)
    result = np.asarray(augment.random_grayscale(KEY, images, 0.3))
    grey = np.asarray(augment.grayscale(images, channels))
    chosen = (result == grey).all((1, 2, 3))
    np.testing.assert_array_equal(result[~chosen], images[~chosen])
    assert result.shape == images.shape
    if channels == 3:
        assert 0.27 < chosen.mean() < 0.33


def test_random_grayscale_greys_a_tenth_by_default(floats):
    images = floats(50, 3, 4, 3)
    np.testing.assert_array_equal(augment.random_grayscale(KEY, images), augment.random_grayscale(KEY, images, 0.1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"brightness": -0.1}, "brightness must be 0 or more, got -0.1"),
        ({"contrast": (0.9, 0.2)}, r"contrast must be two numbers, the smaller first, 0 or more, got \(0.9, 0.2\)"),
        ({"saturation": (-1, 1)}, r"saturation must be two numbers.* got \(-1, 1\)"),
        ({"hue": 0.6}, "hue must be between 0 and 0.5, got 0.6"),
        ({"hue": (-0.6, 0.1)}, r"hue must be two numbers, the smaller first, between -0.5 and 0.5, got \(-0.6, 0.1\)"),
        ({"hue": "0.1"}, "hue must be two numbers"),
    ],
)
def test_color_jitter_names_the_argument_at_fault(floats, arguments, message):
    with pytest.raises(UserError, match=message):
        augment.color_jitter(KEY, floats(2, 3, 3, 3), **arguments)


def test_random_grayscale_names_the_argument_at_fault(floats):
    with pytest.raises(UserError, match=r"p must be between 0 and 1, got 1\.1"):
        augment.random_grayscale(KEY, floats(2, 3, 3, 3), 1.1)
    with pytest.raises(UserError, match="images must have 1 or 3 channels, got 4"):
        augment.random_grayscale(KEY, floats(2, 3, 3, 4))
