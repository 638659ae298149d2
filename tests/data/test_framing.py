"""The geometry of pictures against torchvision's own, on the same picture."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import pictures
from jaxdl.data.framing import Framing
from jaxdl.data.pictures import open_picture
from jaxdl.errors import UserError
from tests import pytorch


def picture(width, height, seed=0):
    """A PNG of smooth noise, which every pixel and every weight of a filter shows in."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 9, 3), np.uint8)).resize((width, height), Image.BICUBIC)
    noisy = np.asarray(coarse, int) + generator.integers(-20, 20, (height, width, 3))
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "PNG")
    return image, file.getvalue()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("width", "height"), [(300, 200), (201, 333), (97, 64), (64, 64), (31, 250), (500, 20), (640, 427)]
)
@pytest.mark.parametrize(("resize", "size"), [(72, 64), (64, 64), (48, 65), (235, 224)])
def test_pixels_equal_torchvisions(width, height, resize, size, interpolation):
    pytorch.torchvision()
    from torchvision.transforms import InterpolationMode, functional

    image, content = picture(width, height)
    theirs = functional.center_crop(functional.resize(image, [resize], InterpolationMode(interpolation)), [size])
    ours = open_picture(content, Framing(size, resize, interpolation))
    np.testing.assert_array_equal(ours, np.asarray(theirs))


def test_stretched_ones_are_as_they_were():
    image, content = picture(50, 70)
    np.testing.assert_array_equal(open_picture(content, 32), np.asarray(image.resize((32, 32), Image.BILINEAR)))
    np.testing.assert_array_equal(open_picture(content, Framing(32)), open_picture(content, 32))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("width", "height"), [(4000, 3), (3, 4000), (900, 700)])
def test_what_is_cut_out_of_a_long_picture_is_made_without_the_rest(width, height, interpolation, monkeypatch):
    _, content = picture(width, height)
    framing = Framing(32, 40, interpolation)
    whole = open_picture(content, framing).astype(int)
    monkeypatch.setattr(pictures, "LARGE", 1000)
    assert abs(open_picture(content, framing) - whole).max() <= 1


def test_a_small_one_is_padded_as_by_torchvision():
    _, content = picture(40, 40)
    cut = open_picture(content, Framing(64, 41))
    assert cut[:11].max() == cut[:, :11].max() == 0
    assert cut[32].any()


@pytest.mark.parametrize("wrong", [Framing(8, -1), Framing(8, 9, "nearest"), Framing(0, 9), Framing(8.5)])
def test_what_is_no_framing_is_refused(wrong):
    with pytest.raises(UserError):
        open_picture(picture(9, 9)[1], wrong)


def test_words_say_what_is_done():
    assert str(Framing(32)) == "resized to 32x32"
    assert str(Framing(224, 256, "bicubic")) == "shorter side 256, centre 224x224, bicubic"
