"""Pictures come out as Pillow's own functions have them where those are right, and every other file costs one line."""

import io
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from jaxdl.data import pictures
from jaxdl.data.pictures import open_picture, png
from jaxdl.errors import UserError
from tests.data import bad_pictures
from tests.data.bad_pictures import PIXELS, SIDE, chunk, encoded

# The module's own filter gives way to the tests' that makes errors of warnings; processes of test_predict have it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

ODD, BROKEN = bad_pictures.odd(), bad_pictures.broken()
ALPHA = np.random.default_rng(5).integers(0, 256, (SIDE, SIDE), np.uint8)
ALPHA[:4], ALPHA[-4:] = 0, 255


def on_white(colors, alpha):
    """float64[H, W, 3]: ``colors`` seen on white."""
    share = alpha[..., None] / 255
    return colors * share + 255 * (1 - share)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
@pytest.mark.parametrize("size", [SIDE, 9, 40])
def test_an_ordinary_picture_is_resized_as_pillow_does_it(format, size, tmp_path):
    content = encoded(format)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    (tmp_path / "a").write_bytes(content)  # no name ending is needed
    entry = next(os.scandir(tmp_path))
    for source in (content, tmp_path / "a", str(tmp_path / "a"), entry, io.BytesIO(content), bytearray(content)):
        found = open_picture(source, size)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("orientation", range(1, 10))
def test_a_picture_is_turned_by_its_exif_tag(orientation):
    content = ODD[f"orientation_{orientation}.jpg"]
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(open_picture(content, SIDE), expected)


def test_transparent_pixels_lie_on_white():
    image = Image.fromarray(PIXELS)
    image.putalpha(Image.fromarray(ALPHA))
    gray = image.convert("LA")
    for content, colors in (
        (encoded("PNG", image), PIXELS),
        (encoded("WEBP", image, lossless=True, exact=True), PIXELS),
        (encoded("PNG", gray), np.asarray(gray)[..., :1]),
    ):
        found, colors = open_picture(content, SIDE), np.broadcast_to(colors, PIXELS.shape)
        assert (found[:4] == 255).all()
        np.testing.assert_array_equal(found[-4:], colors[-4:])
        np.testing.assert_allclose(found, on_white(colors, ALPHA), atol=1)


def test_a_transparent_color_of_a_palette_or_of_gray_is_white():
    palette = Image.fromarray(PIXELS).quantize(16)
    numbers = np.asarray(palette)
    for format in ("PNG", "GIF"):
        found = open_picture(encoded(format, palette, transparency=3), SIDE)
        assert (found[numbers == 3] == 255).all()
        np.testing.assert_array_equal(found[numbers != 3], np.asarray(palette.convert("RGB"))[numbers != 3])
    alphas = np.arange(0, 256, 16)
    found = open_picture(encoded("PNG", palette, transparency=bytes(alphas.tolist())), SIDE)
    np.testing.assert_allclose(found, on_white(np.asarray(palette.convert("RGB")), alphas[numbers]), atol=1)
    rows = b"".join(bytes([0, *range(SIDE)]) for _ in range(SIDE))
    found = open_picture(bad_pictures.png(SIDE, SIDE, rows=rows, extra=chunk(b"tRNS", b"\0\5")), SIDE)
    assert found[0, :, 0].tolist() == [*range(5), 255, *range(6, SIDE)]


def test_sixteen_bits_of_gray_keep_their_brightness():
    expected = np.linspace(0, 255, SIDE)
    np.testing.assert_allclose(open_picture(ODD["gray16.png"], SIDE)[7, :, 1], expected, atol=1)
    expected[0] = 255  # the transparent value
    np.testing.assert_allclose(open_picture(ODD["gray16_transparent.png"], SIDE)[7, :, 1], expected, atol=1)


@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (12, 1 / 16), (16, 1 / 256)])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_gray_of_twelve_bits_in_sixteen_is_not_almost_black(bits, factor, format):
    values = np.linspace(0, 2**bits - 1, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    found = open_picture(encoded(format, Image.fromarray(values)), SIDE)
    np.testing.assert_array_equal(found[..., 0], np.floor(values * factor))
    assert found.max() == 255


@pytest.mark.parametrize("color", [2, 6])  # RGB, RGBA
@pytest.mark.parametrize("bits", [12, 16])
def test_colors_of_twelve_bits_in_sixteen_are_not_almost_black(color, bits):
    channels = {2: 3, 6: 4}[color]
    ramp = np.linspace(0, 2**bits - 1, SIDE).astype(">u2")
    pixels = np.repeat(ramp[:, None], channels, axis=1)
    if color == 6:
        pixels[:, 3] = 65_535
    rows = b"".join(b"\0" + pixels.tobytes() for _ in range(SIDE))
    found = open_picture(bad_pictures.png(SIDE, SIDE, rows=rows, depth=16, color=color), SIDE)
    np.testing.assert_allclose(found[3, :, 1], ramp.astype(float) / 2 ** (bits - 8), atol=16 if bits == 12 else 1)
    assert found.max() >= 240


def test_fractions_of_gray_are_brightness_and_what_no_rule_tells_is_refused():
    values = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    np.testing.assert_array_equal(
        open_picture(encoded("TIFF", Image.fromarray(values)), SIDE)[..., 2], np.rint(values * 255)
    )
    np.testing.assert_allclose(
        open_picture(encoded("TIFF", Image.fromarray(values * 255)), SIDE)[..., 2], values * 255, atol=0.5
    )
    for strange in (values - 0.5, values * 1000, values * np.nan, (values * 1e6).astype(np.int32)):
        with pytest.raises(UserError, match=r"has gray values from .* Bring them to 8 or 16 bits"):
            open_picture(encoded("TIFF", Image.fromarray(strange)), SIDE)


def test_four_printing_inks_are_the_colors_that_were_printed():
    for color in ((200, 40, 30), (10, 120, 240), (250, 250, 250)):
        printed = Image.new("RGB", (SIDE, SIDE), color).convert("CMYK")
        found = open_picture(encoded("JPEG", printed, quality=95), SIDE)
        np.testing.assert_allclose(found, np.broadcast_to(color, found.shape), atol=4)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(format):
    first, second = (Image.new("RGB", (SIDE, SIDE), color) for color in ("#d03020", "#2030d0"))
    content = encoded(format, first, save_all=True, append_images=[second], duration=40)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 2
    np.testing.assert_allclose(open_picture(content, 4), np.broadcast_to((0xD0, 0x30, 0x20), (4, 4, 3)), atol=6)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_read(name):
    assert open_picture(ODD[name], 8).shape == (8, 8, 3)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_costs_one_line_with_its_name(name, tmp_path):
    (tmp_path / name).write_bytes(BROKEN[name])
    for source, called in ((tmp_path / name, f"the picture {tmp_path / name} "), (BROKEN[name], "the picture ")):
        with pytest.raises(UserError) as caught:
            open_picture(source, 8)
        assert str(caught.value).removeprefix("cannot read ").startswith(called)
        assert len(str(caught.value).splitlines()) == 1
        assert " object at 0x" not in str(caught.value)
        assert ("is empty" in str(caught.value)) == (not BROKEN[name])


def test_what_is_no_source_is_refused():
    for source in (None, 5, ["a.png"]):
        with pytest.raises(UserError, match=f"must be a path, bytes or a file open .*, got {type(source).__name__}"):
            open_picture(source, 8)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    for path in bad_pictures.strange_places(tmp_path):
        with pytest.raises(UserError, match=path.name):
            open_picture(path, 8)


def test_a_damaged_picture_is_read_or_refused_and_raises_nothing_else(rng):
    refused = 0
    for content in (
        encoded("JPEG"),
        encoded("PNG"),
        encoded("WEBP"),
        encoded("GIF"),
        encoded("BMP"),
        ODD["gray16.png"],
    ):
        places = [[place] for place in range(2, 100)] + rng.integers(2, len(content), (60, 4)).tolist()
        for changed in places:
            damaged = np.frombuffer(content, np.uint8).copy()
            damaged[changed] = ~damaged[changed]
            try:
                assert open_picture(damaged.tobytes(), 8).shape == (8, 8, 3)
            except UserError:
                refused += 1
    assert 300 < refused < 800


def test_other_decoders_of_pillow_are_never_asked():
    assert Image.open(io.BytesIO(BROKEN["pcx.png"])).format == "PCX"
    with pytest.raises(UserError, match="JPEG, PNG, WebP, BMP, GIF, TIFF, PPM"):
        open_picture(BROKEN["pcx.png"], 8)


def test_too_many_pixels_and_bytes_are_refused_before_any_is_decoded(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    with pytest.raises(UserError, match="the picture mine is 24 x 24 pixels, more than the 575 allowed"):
        open_picture(encoded("PNG"), 8, name="mine", most_pixels=575)
    with pytest.raises(UserError, match="70000 x 1 pixels, more than the 65,535 allowed for a side"):
        open_picture(bad_pictures.png(70_000, 1, rows=b""), 8)
    monkeypatch.setattr(pictures, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="more than the 1,000 allowed"):
        open_picture(encoded("PNG"), 8)


def test_large_pictures_are_decoded_one_at_a_time_and_small_ones_together(monkeypatch):
    under_way, most, lock, rgb = 0, 0, threading.Lock(), pictures._rgb

    def watched(image, name):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return rgb(image, name)

    monkeypatch.setattr(pictures, "_rgb", watched)
    content, found = encoded("PNG"), {}
    for large in (SIDE * SIDE, SIDE * SIDE - 1):
        monkeypatch.setattr(pictures, "LARGE", large)
        most = 0
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: open_picture(content, 8), range(8)))
        found[large] = most
    assert found[SIDE * SIDE] > 1
    assert found[SIDE * SIDE - 1] == 1


def test_png_keeps_every_pixel():
    np.testing.assert_array_equal(open_picture(png(PIXELS), SIDE), PIXELS)
