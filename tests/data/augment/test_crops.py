import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import assert_same, functional, to_array, to_tensor

KEY = jax.random.key(3)


def test_crop_gives_windows_of_the_reflected_image_at_every_shift(images):
    padding = 2
    cropped = np.asarray(augment.crop(KEY, np.repeat(images[:1], 2000, 0), padding))
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = {padded[y : y + 8, x : x + 10].tobytes(): (y, x) for y in range(5) for x in range(5)}
    seen = [windows[image.tobytes()] for image in cropped]  # a KeyError is a window that should not be
    counts = np.bincount([5 * y + x for y, x in seen], minlength=25)
    assert counts.min() > 40  # of an expected 80


@pytest.mark.parametrize(("down", "right"), [(1, 1), (-1, -1), (2, -3), (0, 4), (0, 0)])
def test_shift_is_a_window_of_pytorchs_reflected_image(images, down, right):
    y, x = abs(down), abs(right)
    padded = to_array(functional().pad(to_tensor(images), [x, y], padding_mode="reflect"))
    expected = padded[:, y - down : y - down + 8, x - right : x - right + 10]
    np.testing.assert_array_equal(augment.shift(images, down, right), expected)


def test_shift_by_more_than_the_image_is_refused(images):
    with pytest.raises(UserError, match=r"less than the image, \(8, 10\), got \(-8, 0\)"):
        augment.shift(images, -8, 0)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("size", [(6, 9), (12, 14), 7])
def test_random_crop_gives_every_window_of_torchvisions_padded_image(images, mode, size):
    height, width = (size, size) if isinstance(size, int) else size
    padded = to_array(functional().pad(to_tensor(images[:1]), 2, 7 if mode == "constant" else 0, mode))[0]
    places = [(y, x) for y in range(12 - height + 1) for x in range(14 - width + 1)]
    windows = {padded[y : y + height, x : x + width].tobytes(): n for n, (y, x) in enumerate(places)}
    repeated = np.repeat(images[:1], 80 * len(places), 0)
    cropped = np.asarray(augment.random_crop(KEY, repeated, size, 2, mode, 7))
    assert cropped.shape == (len(repeated), height, width, 3)
    counts = np.bincount([windows[image.tobytes()] for image in cropped], minlength=len(places))
    assert counts.min() > 40  # of an expected 80


@pytest.mark.parametrize("shape", [(2, 9, 12, 3), (1, 8, 8, 1), (2, 3, 4, 3)])
@pytest.mark.parametrize("size", [4, 5, (8, 3), (3, 8), (9, 7), (1, 12), (13, 14), (12, 17)])
def test_center_crop_is_torchvisions(floats, shape, size):
    assert_same(
        lambda images: augment.center_crop(images, size),
        lambda tensor: functional().center_crop(tensor, size),
        floats(*shape),
        atol=0,
    )


def test_cutout_blanks_one_square_clipped_at_the_border():
    filled = np.asarray(augment.cutout(KEY, jnp.ones((3000, 8, 10, 1)), 4))[..., 0]
    holes = filled == 0
    assert set(np.unique(filled)) == {0.0, 1.0}
    heights, widths = holes.any(2).sum(1), holes.any(1).sum(1)
    assert (holes.sum((1, 2)) == heights * widths).all()  # a full rectangle
    assert heights.max() == widths.max() == 4
    assert heights.min() == widths.min() == 2  # its centre lies on the border
    assert holes.any(0).all()  # every pixel can be hit


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: augment.random_crop(KEY, x, 12, 1), r"size \(12, 12\) is larger than .* \(8, 10\) with 1 pixels"),
        (lambda x: augment.random_crop(KEY, x, 4, -1), "padding must be 0 or more, got -1"),
        (lambda x: augment.random_crop(KEY, x, 4, padding_mode="refelct"), "Did you mean reflect"),
        (lambda x: augment.random_crop(KEY, x, 4.5), "size must be a positive whole number"),
        (lambda x: augment.random_crop(KEY, x[0], 4), "images must be"),
        (lambda x: augment.center_crop(x, (4, 0)), r"size must be .* got \(4, 0\)"),
        (lambda x: augment.center_crop(x[0], 4), "images must be"),
        (lambda x: augment.crop(KEY, x, -2), "padding must be 0 or more, got -2"),
        (lambda x: augment.crop(KEY, x[0]), "images must be"),
        (lambda x: augment.cutout(KEY, x, -2), "size must be 0 or more, got -2"),
        (lambda x: augment.cutout(KEY, x[0]), "images must be"),
    ],
)
def test_crops_name_the_argument_at_fault(images, call, message):
    with pytest.raises(UserError, match=message):
        call(images)
