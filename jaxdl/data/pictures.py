"""Decodes pictures and masks from untrusted files. The only file that imports Pillow."""

import contextlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    Image,
    TiffImagePlugin,  # noqa: F401, or Pillow would import all its decoders to find this one
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401, the same
)

from jaxdl.data.framing import STRETCHED, Framing
from jaxdl.errors import UserError
from jaxdl.wording import printable

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # no other decoder ever sees a byte
KNOWN = "JPEG, PNG, WebP, BMP, GIF, TIFF, PPM"
SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
MOST_PIXELS = 100_000_000  # a picture that claims more is refused before it is decoded
MOST_SIDE = 65_535  # pixels; resizing takes memory for each pixel of a side
MOST_BYTES = 2**30  # of a file
RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
LARGE = 16_000_000  # pixels, beyond which pictures are decoded one at a time: each can take a gigabyte
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_alone = threading.Lock()
# What Pillow warns of is either refused below or does no harm. A filter of the whole process, since
# warnings.catch_warnings is none for threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_picture(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    framing: int | Framing | None,
    *,
    name: str | None = None,
    most_pixels: int = MOST_PIXELS,
) -> np.ndarray:
    """The picture as uint8[size, size, 3]: upright by its EXIF tag, RGB, on white where transparent.

    Of an animation or several pages, the first. Of more than 8 bits per channel the upper 8 are kept: of 16, or of 12
    if no value needs more, as cameras store them.

    framing: how it is brought to its size; a number: stretched to as many pixels a side, bilinear; None: its own size,
    uint8[H, W, 3].
    source: a file, by its path or open for reading, or its content: JPEG, PNG, WebP, BMP, GIF, TIFF or PPM. name: the
    name for errors. most_pixels: larger pictures are refused before they are decoded.
    Raises UserError, with one line, for any fault of the file. Thread-safe.
    """
    if framing is not None:
        framing = (framing if isinstance(framing, Framing) else Framing(framing)).checked()
        size = framing.size
        if not isinstance(size, Integral) or not 0 < size <= MOST_SIDE:
            raise UserError(f"size must be a whole number of pixels from 1 to {MOST_SIDE:,}, got {size!r}.")
        if size * size > most_pixels:
            raise UserError(f"size {size:,} makes {size * size:,} pixels of a picture; {most_pixels:,} are allowed.")
    with _opened(source, name, "picture", most_pixels) as (image, called):
        return _decoded(image, framing, called)


def open_mask(
    source: str | os.PathLike[str] | bytes | BinaryIO, *, name: str | None = None, most_pixels: int = MOST_PIXELS
) -> np.ndarray:
    """The numbers that a picture holds for its pixels as uint8[H, W]: levels of gray, or places in its palette.

    source, name, most_pixels, errors: as for ``open_picture``; also raises UserError for a picture of colors.
    """
    with _opened(source, name, "mask", most_pixels) as (image, called):
        image.load()
        if image.mode in ("1", "L", "P"):
            return np.asarray(image).astype(np.uint8)
        numbers = np.asarray(image) if image.mode.startswith("I") else None
        if numbers is None or numbers.min() < 0 or numbers.max() > 255:
            held = "colors" if numbers is None else f"numbers up to {numbers.max():,}"
            raise UserError(
                f"{called} holds {held} ({image.mode}). It must hold a class's number for each pixel, from 0 to 255: "
                "as levels of gray or in a palette."
            )
        return numbers.astype(np.uint8)


def size_of(source: str | os.PathLike[str] | bytes | BinaryIO, *, most_pixels: int = MOST_PIXELS) -> tuple[int, int]:
    """(height, width) of the picture, upright; only its header is read. Errors: as for ``open_picture``."""
    with _opened(source, None, "picture", most_pixels) as (image, _):
        width, height = image.size
        turned = _orientation(image) >= 5
        return (width, height) if turned else (height, width)


@contextlib.contextmanager
def _opened(
    source: str | os.PathLike[str] | bytes | BinaryIO, name: str | None, what: str, most_pixels: int
) -> Iterator[tuple[Image.Image, str]]:
    """The picture, not decoded and no larger than allowed, and how it is called; any fault of it is a UserError."""
    if isinstance(source, str | os.PathLike):
        source = Path(source)
    if name is None and isinstance(source, Path):
        name = str(source)
    name = f"the {what} {printable(name)}" if name else f"the {what}"
    try:
        with _file(source, name) as file, Image.open(file, formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > most_pixels or max(image.size) > MOST_SIDE:
                limit = f"{most_pixels:,} allowed" if pixels > most_pixels else f"{MOST_SIDE:,} allowed for a side"
                raise UserError(f"{name} is {image.width} x {image.height} pixels, more than the {limit}.")
            with _alone if pixels > LARGE else contextlib.nullcontext():
                yield image, name
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(f"{name} is not one that can be read here ({KNOWN}), or is damaged.") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name} claims more than the {most_pixels:,} pixels allowed.") from None
    except MemoryError:
        raise UserError(f"{name} takes more memory to decode than there is.") from None
    except OSError as error:
        raise UserError(f"cannot read {name} ({error.strerror or error}).") from error
    except Exception as error:  # a decoder given a damaged file raises what it stumbles over, and no list is complete
        raise UserError(f"cannot read {name} ({str(error) or type(error).__name__}).") from error


def resized(pixels: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """``pixels``, uint8[H, W, 3], or a mask, uint8[H, W], brought to ``size``, (height, width): uint8.

    interpolation: one of ``RESAMPLING``; ``nearest`` for numbers of classes.
    """
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], RESAMPLING[interpolation]))


def png(pixels: np.ndarray) -> bytes:
    """The content of a PNG file of ``pixels``: uint8[H, W, 3] or, with transparency, uint8[H, W, 4]."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
    return file.getvalue()


def indexed_png(mask: np.ndarray, colors: np.ndarray) -> bytes:
    """``mask``, uint8[H, W], as a PNG whose pixels are its numbers, shown by a palette; ``open_mask`` reads it.

    colors: uint8[classes, 3]; what is beyond them is black.
    """
    palette = np.zeros((256, 3), np.uint8)  # a shorter one would be written with fewer bits than the numbers need
    palette[: len(colors)] = colors
    image = Image.frombytes("P", mask.shape[::-1], np.ascontiguousarray(mask).tobytes())
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _file(source: Path | bytes | BinaryIO, name: str) -> BinaryIO:
    if isinstance(source, Path):
        about = source.stat()
        if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for its writer
            raise UserError(f"{name} is not a file.")
        length = about.st_size
    elif isinstance(source, bytes | bytearray | memoryview):
        source = bytes(source)
        length = len(source)
    elif hasattr(source, "read"):
        source = source.read(MOST_BYTES + 1)
        length = len(source)
    else:
        raise UserError(f"{name} must be a path, bytes or a file open for reading, got {type(source).__name__}.")
    if not length:
        raise UserError(f"{name} is empty.")
    if length > MOST_BYTES:
        raise UserError(f"{name} has {length:,} bytes, more than the {MOST_BYTES:,} allowed.")
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def _decoded(image: Image.Image, framing: Framing | None, name: str) -> np.ndarray:
    deep = ";16" in repr(image.tile)  # Pillow keeps the upper 8 bits of colors of 16
    image.load()
    turn = TURNS.get(_orientation(image))
    image = _rgb(image, name)
    if deep:
        image = _brought_up(image)
    if turn is not None:
        image = image.transpose(turn)
    return np.asarray(image if framing is None else _framed(image, framing))


def _framed(image: Image.Image, framing: Framing) -> Image.Image:
    size, by = (framing.size, framing.size), RESAMPLING[framing.interpolation]
    width, height = framing.resized(*image.size)
    if framing.resize == STRETCHED:
        return image if image.size == size else image.resize(size, by)
    left, top = framing.corner(width, height)
    if width * height <= LARGE:
        return image.resize((width, height), by).crop((left, top, left + size[0], top + size[1]))
    # of a long and narrow picture the rest could take any memory: only what is kept is made
    across, down = image.width / width, image.height / height
    first, upper = max(left, 0), max(top, 0)
    last, lower = min(left + size[0], width), min(top + size[1], height)
    box = first * across, upper * down, last * across, lower * down
    part = image.resize((last - first, lower - upper), by, box=box)
    left, top = left - first, top - upper
    return part.crop((left, top, left + size[0], top + size[1]))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # what is not to be read of its tags is no reason to refuse the picture
        return 1


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):  # of which Pillow would take all above 255 for white
        values = np.asarray(image)
        pixels = _to_bytes(values, name)
        if "transparency" in image.info:
            pixels[values == image.info["transparency"]] = 255
        return Image.fromarray(pixels).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    image = image.convert("RGBA")
    white.paste(image, mask=image)
    return white


def _to_bytes(values: np.ndarray, name: str) -> np.ndarray:
    """Gray values of any type as uint8; raises UserError for those that no rule says how bright they are."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if low >= 0 and high <= 1:
            return np.rint(values * 255).astype(np.uint8)
        if low >= 0 and high <= 255:
            return np.rint(values).astype(np.uint8)
    elif low >= 0 and high <= 65_535:
        return (values >> (0 if high <= 255 else 4 if high <= 4095 else 8)).astype(np.uint8)
    raise UserError(f"{name} has gray values from {low:g} to {high:g}. Bring them to 8 or 16 bits, or to [0, 1].")


def _brought_up(image: Image.Image) -> Image.Image:
    """Colors whose upper 8 of 16 bits use 4 are of 12 bits, and would be almost black."""
    pixels = np.asarray(image)
    return Image.fromarray(pixels << 4) if pixels.max() < 16 else image
