from functools import partial

import jax
import numpy as np
import pytest
from scipy import stats

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import assert_same, functional, to_array, to_tensor, transforms
from tests.pytorch import torch

KEY = jax.random.key(3)
MODES = [("bilinear", True), ("bilinear", False), ("bicubic", True), ("bicubic", False), ("nearest", True)]
SHAPES_AND_SIZES = [
    ((1, 32, 32, 3), [8, (16, 64)]),
    ((3, 17, 24, 1), [21, (40, 11)]),
    ((2, 9, 5, 3), [12, (1, 3)]),
]


def options(interpolation, antialias):
    mode = transforms().InterpolationMode(interpolation)
    return {"interpolation": mode, "antialias": antialias}


@pytest.mark.long
@pytest.mark.parametrize(("interpolation", "antialias"), MODES)
@pytest.mark.parametrize(("shape", "sizes"), SHAPES_AND_SIZES)
def test_resize_and_its_gradient_are_torchvisions(floats, shape, sizes, interpolation, antialias):
    images, theirs = floats(*shape), options(interpolation, antialias)
    for size in sizes:
        assert_same(
            lambda x, size=size: augment.resize(x, size, interpolation, antialias),
            lambda x, size=size: functional().resize(x, size, **theirs),
            images,
            gradient=True,
        )


def test_resize_of_the_shorter_side_rounds_the_longer_down(floats):
    for height, width in [(10, 16), (16, 10), (7, 7), (99, 100), (3, 200)]:
        for size in (5, 7, 33):
            images = floats(1, height, width, 1)
            resized = jax.eval_shape(lambda x, size=size: augment.resize(x, size), images)
            assert resized.shape[1:3] == functional().resize(to_tensor(images), size).shape[2:]


def test_nearest_takes_the_pixel_of_the_whole_quotient(floats):
    images = floats(1, 2, 2, 1)
    resized = np.asarray(augment.resize(images, 82, "nearest"))
    np.testing.assert_array_equal(resized, images.repeat(41, 1).repeat(41, 2))  # where PyTorch takes row 41 from row 0


@pytest.mark.parametrize(("interpolation", "antialias"), MODES)
def test_resize_of_uint8_is_torchvisions_but_for_halves(images, interpolation, antialias):
    theirs = options(interpolation, antialias)
    for size in (5, 12, (20, 7)):
        resize = jax.jit(lambda x, size=size: augment.resize(x, size, interpolation, antialias))
        resized = np.asarray(resize(images))
        expected = to_array(functional().resize(to_tensor(images).double(), size, **theirs)).clip(0, 255)
        assert resized.dtype == np.uint8
        assert abs(resized - expected).max() <= 0.5 + 1e-4


@pytest.mark.long
@pytest.mark.parametrize(("interpolation", "antialias"), MODES)
@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 17, 24, 1)])
def test_resized_crop_and_its_gradient_are_torchvisions(floats, shape, interpolation, antialias):
    images, theirs = floats(*shape), options(interpolation, antialias)
    windows = [(0, 0, 17, 24), (3, 5, 14, 9), (16, 0, 1, 24), (2, 11, 7, 13), (5, 5, 2, 2)]
    for size in [(6, 28), 9]:
        pair = (size, size) if isinstance(size, int) else size
        assert_same(
            lambda x, *window, size=size: augment.resized_crop(x, *window, size, interpolation, antialias),
            lambda x, *window, pair=pair: functional().resized_crop(x, *window, pair, **theirs),
            images,
            *windows,
            gradient=True,
        )


def test_resized_crop_takes_a_window_an_image(floats):
    images = floats(3, 12, 15, 3)
    top, left, height, width = np.array([[0, 3, 5], [1, 0, 7], [12, 4, 6], [3, 15, 8]])
    together = jax.jit(augment.resized_crop, static_argnums=5)(images, top, left, height, width, (7, 9))
    for n in range(3):
        window = [int(value[n]) for value in (top, left, height, width)]
        alone = functional().resized_crop(to_tensor(images[n : n + 1]), *window, (7, 9))
        np.testing.assert_allclose(together[n], to_array(alone)[0], rtol=1e-5, atol=2e-6)


@pytest.mark.long
@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio", "count"),
    [
        (32, 32, (0.08, 1.0), (3 / 4, 4 / 3), 1500),
        (40, 25, (0.2, 0.7), (0.5, 3.0), 1500),
        (10, 30, (0.2, 1.0), (0.5, 2.0), 1500),  # at times none of ten fits
        (10, 60, (0.9, 1.0), (3 / 4, 4 / 3), 50),  # never: the widest in the middle
        (60, 10, (0.9, 1.0), (3 / 4, 4 / 3), 50),  # never: the tallest in the middle
        (50, 50, (1.5, 2.0), (3 / 4, 4 / 3), 50),  # never: the whole image
    ],
)
def test_random_windows_are_distributed_as_torchvisions(height, width, scale, ratio, count):
    windows = jax.jit(lambda key: augment.random_windows(key, 4 * count, height, width, scale, ratio))
    ours = np.stack(windows(KEY), 1)
    image = to_tensor(np.zeros((1, height, width, 1), np.float32))
    draw = transforms().RandomResizedCrop.get_params
    torch().manual_seed(0)
    theirs = np.array([draw(image, scale, ratio) for _ in range(count)])
    statistics = {
        "top": lambda w: w[:, 0],
        "left": lambda w: w[:, 1],
        "height": lambda w: w[:, 2],
        "width": lambda w: w[:, 3],
        "area": lambda w: w[:, 2] * w[:, 3],
        "aspect": lambda w: w[:, 3] / w[:, 2],
        "place": lambda w: w[:, 0] / np.maximum(height - w[:, 2], 1) + w[:, 1] / np.maximum(width - w[:, 3], 1),
    }
    for name, statistic in statistics.items():
        assert stats.ks_2samp(statistic(ours), statistic(theirs)).pvalue > 0.01, name


def test_random_resized_crop_gives_each_image_a_window_of_its_own(floats):
    images = np.repeat(floats(1, 12, 15, 3), 30, 0)
    arguments = {"scale": (0.1, 0.5), "ratio": (0.5, 2)}
    windows = jax.jit(lambda key: augment.random_windows(key, 30, 12, 15, **arguments))(KEY)
    crop = partial(augment.random_resized_crop, size=(6, 7), interpolation="bicubic", antialias=False, **arguments)
    resized = np.asarray(jax.jit(crop)(KEY, images))
    theirs = options("bicubic", False)
    for n, window in enumerate(zip(*(value.tolist() for value in windows), strict=True)):
        expected = functional().resized_crop(to_tensor(images[n : n + 1]), *window, (6, 7), **theirs)
        np.testing.assert_allclose(resized[n], to_array(expected)[0], rtol=1e-5, atol=2e-6)
    assert len(np.unique(resized, axis=0)) > 25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: augment.resize(x, 8, "lanczos"), "unknown interpolation 'lanczos'"),
        (lambda x: augment.resize(x, 0), "size must be a positive whole number or two of them"),
        (lambda x: augment.resize(x, (4, 5, 6)), r"size must be .* got \(4, 5, 6\)"),
        (lambda x: augment.resize(x[0], 8), "images must be"),
        (lambda x: augment.resized_crop(x, 5, 0, 4, 4, 8), "top and height must be a window within the 8 .* 5 and 4"),
        (lambda x: augment.resized_crop(x, 0, -1, 4, 4, 8), "left and width must be .* 10 pixels .* -1 and 4"),
        (lambda x: augment.resized_crop(x, 0, 0, 0, 4, 8), "top and height must be"),
        (lambda x: augment.random_resized_crop(KEY, x, 8, (1.0, 0.08)), r"scale must be two numbers.* \(1.0, 0.08\)"),
        (lambda x: augment.random_resized_crop(KEY, x, 8, ratio=(2, 1)), r"ratio must be two numbers.* \(2, 1\)"),
        (lambda x: augment.random_resized_crop(KEY, x, 8, ratio=(0, 1)), r"ratio must be two numbers.* \(0, 1\)"),
        (lambda x: augment.random_resized_crop(KEY, x, 8, scale=0.5), "scale must be two numbers.* 0.5"),
        (lambda x: augment.random_resized_crop(KEY, x[0], 8), "images must be"),
    ],
)
def test_resampling_names_the_argument_at_fault(images, call, message):
    with pytest.raises(UserError, match=message):
        call(images)
