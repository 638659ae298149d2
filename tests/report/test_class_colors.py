"""Colours of classes are told apart, and lie over pictures where the classes are."""

import itertools

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import pictures
from jaxdl.report import class_colors as module
from jaxdl.report.class_colors import class_colors, overlaid


def seen_by(colors):
    """CIELAB of the colours for each kind of sight."""
    linear = module._linear(colors / 255)
    sights = (np.eye(3), module.PROTANOPIA, module.DEUTERANOPIA)
    return [module._lab(np.clip(linear @ np.asarray(sight).T, 0, 1)) for sight in sights]


@pytest.mark.parametrize(("count", "least"), [(7, 16), (11, 12), (21, 8)])
def test_no_two_colours_are_near_for_anyone(count, least):
    for lab in seen_by(class_colors(count)):
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > least


def test_lab_is_that_of_the_standard():
    red, white = module._lab(module._linear(np.array([[1.0, 0, 0], [1.0, 1, 1]])))
    np.testing.assert_allclose(red, [53.24, 80.09, 67.20], atol=0.02)
    np.testing.assert_allclose(white, [100, 0, 0], atol=0.02)


def test_a_class_keeps_its_colour_however_many_follow():
    np.testing.assert_array_equal(class_colors(255)[:9], class_colors(9))
    assert class_colors(255).shape == (255, 3)
    with pytest.raises(ValueError, match="read-only"):
        class_colors(9)[0] = 0


def test_overlaid_paints_classes_and_leaves_the_rest():
    image, mask = np.full((4, 6, 3), 100, np.uint8), np.full((4, 6), 255, np.uint8)
    mask[:, 3:] = 1
    found = overlaid(image, mask, class_colors(2), opacity=0.5)
    np.testing.assert_array_equal(found[:, :2], 100)
    np.testing.assert_array_equal(found[1, 4], np.rint((100.0 + class_colors(2)[1]) / 2))


def test_an_indexed_png_is_the_mask_again_and_is_seen_in_its_colours(tmp_path):
    mask = np.random.default_rng(0).choice([0, 1, 5, 255], (7, 9)).astype(np.uint8)
    path = tmp_path / "mask.png"
    path.write_bytes(pictures.indexed_png(mask, class_colors(6)))
    np.testing.assert_array_equal(pictures.open_mask(path), mask)
    with Image.open(path) as image:
        seen = np.asarray(image.convert("RGB"))
    known = mask != 255
    np.testing.assert_array_equal(seen[known], class_colors(6)[mask[known]])
