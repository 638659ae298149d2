"""Objects drawn into a picture's pixels: boxes, what each is, and masks as a veil of its colour."""

from collections.abc import Sequence

import numpy as np

from jaxdl import rle
from jaxdl.objects import RLE
from jaxdl.report import images

VEIL = 0.4  # opacity of a mask
LINE = 300  # pixels of a picture's longer side for one of a line's
LETTER = 40  # and for one of a letter's height
SMALLEST = 11  # pixels, of a letter
PAD = 2  # pixels around a text
BRIGHT = 140  # luma from which a colour has black letters on it
LUMA = (0.299, 0.587, 0.114)


def boxed(
    image: np.ndarray,
    boxes: np.ndarray,
    colors: np.ndarray,
    *,
    words: Sequence[str] | None = None,
    masks: Sequence[RLE] | None = None,
) -> np.ndarray:
    """A copy of ``image``, uint8[H, W, 3], with ``boxes``, float[K, 4], the first on top.

    colors: uint8[K, 3], of each. words: told at the upper left of each. masks: of each, of the picture's size.
    """
    drawn = image.astype(np.float32)
    for color, mask in zip(colors, masks or (), strict=False):
        area = rle.decode(mask)
        drawn[area] = (1 - VEIL) * drawn[area] + VEIL * color
    longer = max(image.shape[:2])
    line, height = max(2, round(longer / LINE)), max(SMALLEST, round(longer / LETTER))
    drawn = np.rint(drawn).astype(np.uint8)
    for row in reversed(range(len(boxes))):
        _outline(drawn, boxes[row], colors[row], line)
    for row in reversed(range(len(words or ()))):
        _tell(drawn, words[row], boxes[row], colors[row], height)
    return drawn


def ink_on(color: np.ndarray) -> tuple[int, int, int]:
    """Black or white, whichever is read better on ``color``."""
    return (0, 0, 0) if float(np.dot(color, LUMA)) >= BRIGHT else (255, 255, 255)


def _outline(drawn: np.ndarray, box: np.ndarray, color: np.ndarray, line: int) -> None:
    """The box's edge, ``line`` pixels wide inwards, with a dark line around it, by which it is seen on any picture."""
    height, width = drawn.shape[:2]
    x1, y1, x2, y2 = np.rint(box).astype(int)
    x1, x2 = np.clip((x1, max(x2, x1 + 1)), 0, width)
    y1, y2 = np.clip((y1, max(y2, y1 + 1)), 0, height)
    for grown, paint in ((1, np.zeros(3)), (0, color)):
        top, left = max(y1 - grown, 0), max(x1 - grown, 0)
        bottom, right = min(y2 + grown, height), min(x2 + grown, width)
        edge = np.ones((bottom - top, right - left), bool)
        inner = line + grown
        edge[inner : max(edge.shape[0] - inner, inner), inner : max(edge.shape[1] - inner, inner)] = False
        drawn[top:bottom, left:right][edge] = paint


def _tell(drawn: np.ndarray, words: str, box: np.ndarray, color: np.ndarray, letter: int) -> None:
    """``words`` on ``color`` above the box, within its upper edge where there is no room, moved into the picture."""
    letters = np.pad(images.lettering(words, letter), PAD)[..., None] / 255
    height, width = (min(part, whole) for part, whole in zip(letters.shape[:2], drawn.shape[:2], strict=True))
    letters = letters[:height, :width]
    left = int(np.clip(round(float(box[0])), 0, drawn.shape[1] - width))
    above = round(float(box[1])) - height
    top = int(np.clip(above if above >= 0 else round(float(box[1])), 0, drawn.shape[0] - height))
    tag = (1 - letters) * color + letters * np.array(ink_on(color))
    drawn[top : top + height, left : left + width] = np.rint(tag).astype(np.uint8)
