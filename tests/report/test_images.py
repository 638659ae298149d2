"""Pictures in a page hold the pixels they were made of."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from jaxdl.report import images


def decoded(uri):
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content, validate=True))))


def test_a_picture_comes_back_bit_for_bit(rng):
    for shape in ((32, 32, 3), (5, 9, 3), (1, 1, 3), (7, 4, 4)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        np.testing.assert_array_equal(decoded(images.png(pixels)), pixels)
    turned = rng.integers(0, 256, (6, 8, 3), np.uint8).transpose(1, 0, 2)  # whose rows do not lie one after another
    np.testing.assert_array_equal(decoded(images.png(turned)), turned)


def test_a_small_picture_stays_and_a_large_one_shrinks_in_its_proportions(rng):
    small = rng.integers(0, 256, (96, 40, 3), np.uint8)
    np.testing.assert_array_equal(decoded(images.thumbnail(small)), small)
    assert decoded(images.thumbnail(np.zeros((224, 448, 3), np.uint8))).shape == (48, 96, 3)
    assert decoded(images.thumbnail(np.zeros((2000, 3, 3), np.uint8))).shape == (96, 1, 3)
    halves = np.zeros((200, 200, 3), np.uint8)
    halves[:, 100:] = (255, 0, 0)
    shrunk = decoded(images.thumbnail(halves))
    np.testing.assert_array_equal(shrunk[:, :40], 0)
    np.testing.assert_array_equal(shrunk[:, 56:], np.broadcast_to([255, 0, 0], (96, 40, 3)))


def test_a_sheet_has_its_pictures_in_rows_and_nothing_between_them(rng):
    pictures = rng.integers(0, 256, (5, 2, 3, 3), np.uint8)
    sheet = images.sheet(pictures, 3)
    assert sheet.shape == (5, 11, 4)
    for number, (top, left) in enumerate([(0, 0), (0, 4), (0, 8), (3, 0), (3, 4)]):
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3, :3], pictures[number])
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3, 3], 255)
    assert (sheet[..., 3] == 255).sum() == 5 * 2 * 3


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_filters_are_on_their_own_scales_around_gray(rng, channels):
    kernel = rng.normal(size=(5, 3, channels, 4)).astype(np.float32)
    kernel[..., 3] = 0
    pictures = images.filter_pictures(kernel)
    assert pictures.shape == (4, 5, 3, 3)
    np.testing.assert_array_equal(pictures, images.filter_pictures(kernel * np.array([1, 7, 0.01, 1], np.float32)))
    shown = kernel if channels == 3 else kernel.mean(2, keepdims=True)
    for number in range(3):
        weights = np.broadcast_to(shown[..., number], (5, 3, 3))
        expected = 127.5 + 127.5 * weights / np.abs(weights).max()
        np.testing.assert_allclose(pictures[number], expected, atol=0.51)
        assert {0, 255} & set(pictures[number].ravel().tolist())
    assert set(pictures[3].ravel().tolist()) == {128}
