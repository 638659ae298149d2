"""Arrays as PNG inside a page."""

import base64
import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxdl.data import pictures

LARGEST = 96  # pixels a side of a picture in a page; larger ones are made smaller
MOST_FILTERS = 96
WIDE = 400  # pixels, at most, of a photograph


def png(image: np.ndarray) -> str:
    """A data URI of ``image``: uint8[H, W, 3] or, with transparency, uint8[H, W, 4]."""
    return "data:image/png;base64," + base64.b64encode(pictures.png(image)).decode()


def thumbnail(image: np.ndarray) -> str:
    """A data URI of ``image``, uint8[H, W, 3], its longer side made at most ``LARGEST`` pixels."""
    height, width, _ = image.shape
    if max(height, width) > LARGEST:
        scale = LARGEST / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.LANCZOS))
    return png(image)


def photograph(image: np.ndarray, *, width: int = WIDE) -> str:
    """A data URI of ``image``, uint8[H, W, 3], as JPEG, made at most ``width`` pixels wide."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    if picture.width > width:
        picture = picture.resize((width, max(round(picture.height * width / picture.width), 1)), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8[H', W', 4]: ``images``, uint8[N, H, W, 3], in rows of so many, one transparent pixel between them."""
    count, height, width, _ = images.shape
    rows = math.ceil(count / columns)
    whole = np.zeros((rows, height + 1, columns, width + 1, 4), np.uint8)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        whole[row, :height, column, :width, :3] = image
        whole[row, :height, column, :width, 3] = 255
    return whole.reshape(rows * (height + 1), columns * (width + 1), 4)[:-1, :-1]


def lettering(words: str, height: int) -> np.ndarray:
    """uint8[h, w], how much each pixel is covered by ``words`` in letters of ``height`` pixels; on one line."""
    font = ImageFont.load_default(height)
    ascent, descent = font.getmetrics()
    line = Image.new("L", (max(math.ceil(font.getlength(words)), 1), ascent + descent))
    ImageDraw.Draw(line).text((0, 0), words, fill=255, font=font)
    return np.asarray(line)


def filter_pictures(kernel: np.ndarray) -> np.ndarray:
    """uint8[F, h, w, 3] of a convolution's ``kernel``, float32[h, w, C, F], each filter on its own scale.

    Middle gray is zero. Three channels are red, green and blue; of any other number the mean is shown.
    """
    filters = np.moveaxis(np.asarray(kernel, np.float64), -1, 0)
    if filters.shape[-1] != 3:
        filters = np.repeat(filters.mean(-1, keepdims=True), 3, axis=-1)
    largest = np.abs(filters).max((1, 2, 3), keepdims=True)
    return np.round(127.5 + 127.5 * filters / np.where(largest > 0, largest, 1)).astype(np.uint8)
