"""Masks as run-length codes of COCO: made, checked and painted. The only file of masks that imports pycocotools.

Codes and outlines are untrusted: pycocotools' C code believes the lengths that it is given, so each is checked first.
"""

import re
from collections.abc import Sequence

import numpy as np

from jaxdl.errors import UserError
from jaxdl.objects import RLE

MOST_PIXELS = 2**26  # of a picture: beyond it pycocotools writes past the end of some codes
MOST_POINTS = 1_000_000  # of an object's outline
FARTHEST = 1_000_000  # pixels from the corner of the picture, to any point of an outline
LONGEST = 2_000_000  # pixels along an outline: each takes some 50 bytes
MOST_BOUND = 100_000  # pixels along an outline, below which they are not counted
MOST_LETTERS = 6  # of one run's length
EMPTY = re.compile(rb"[P-o]*[0-O]")  # the code of a single run


def encode(mask: np.ndarray) -> RLE:
    """The code of ``mask``, bool[H, W]. Raises UserError for a mask without pixels or with too many."""
    from pycocotools import mask as masks

    height, width = _size(*mask.shape)
    pixels = np.asfortranarray(mask.astype(bool).view(np.uint8))
    return RLE(size=[height, width], counts=masks.encode(pixels)["counts"])


def decode(rle: RLE) -> np.ndarray:
    """The mask, bool[H, W]. Raises UserError for a code that does not fill the picture of its size."""
    height, width = _size(*rle["size"])
    return _painted(_lengths(rle["counts"], height * width), height, width)


def area(rle: RLE) -> int:
    """Pixels within the mask. Raises UserError as ``decode`` does."""
    height, width = _size(*rle["size"])
    return int(_lengths(rle["counts"], height * width)[1::2].sum())


def empty(rle: RLE) -> bool:
    """Whether a code that this file has made covers no pixel: it has a single run."""
    return EMPTY.fullmatch(rle["counts"]) is not None


def box(rle: RLE) -> tuple[float, float, float, float]:
    """(x1, y1, x2, y2) around the pixels within the mask, zeros where there is none. Raises UserError as ``decode``."""
    from pycocotools import mask as masks

    if not area(rle):
        return 0.0, 0.0, 0.0, 0.0
    left, top, width, height = masks.toBbox(rle).tolist()
    return left, top, left + width, top + height


def from_counts(counts: str | bytes | Sequence[int], *, height: int, width: int) -> RLE:
    """The code of a mask whose ``counts`` are lengths of runs, column by column, or their compressed form.

    The first run is outside of the mask. Raises UserError where they are no lengths, or do not add up to the picture's
    pixels.
    """
    height, width = _size(height, width)
    compressed = isinstance(counts, str | bytes)
    lengths = _lengths(counts, height * width)
    if not lengths[1:].all():  # pycocotools merges no codes with empty runs
        return encode(_painted(lengths, height, width))
    if compressed:
        return RLE(size=[height, width], counts=counts.encode() if isinstance(counts, str) else bytes(counts))
    from pycocotools import mask as masks

    runs = {"size": [height, width], "counts": lengths.tolist()}
    return RLE(size=[height, width], counts=masks.frPyObjects(runs, height, width)["counts"])


def from_polygons(polygons: Sequence[Sequence[float]], *, height: int, width: int) -> RLE:
    """The code of the pixels within any of ``polygons``, each (x1, y1, x2, y2, ...) in pixels.

    A polygon of fewer than three points covers nothing and is passed over. Raises UserError where none is left, for
    coordinates that are no numbers, and for those far out of any picture.
    """
    from pycocotools import mask as masks

    height, width = _size(height, width)
    if not isinstance(polygons, Sequence) or isinstance(polygons, str | bytes):
        raise UserError("an outline must be a list of polygons.")
    outlines = [points for points in map(_points, polygons) if len(points) >= 6]
    if not outlines:
        raise UserError("no polygon has three points.")
    if sum(map(len, outlines)) > 2 * MOST_POINTS or sum(map(_length, outlines)) > LONGEST:
        raise UserError(f"its outline is longer than {LONGEST:,} pixels or {MOST_POINTS:,} points.")
    found = masks.frPyObjects(outlines, height, width)
    return RLE(size=[height, width], counts=(masks.merge(found) if len(found) > 1 else found[0])["counts"])


def _size(height: int, width: int) -> tuple[int, int]:
    if not all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in (height, width)):
        raise UserError(f"a mask's size must be two whole numbers, got {str([height, width])[:80]}.")
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise UserError(f"a mask of {width}x{height} pixels: 1 to {MOST_PIXELS:,} can be coded.")
    return int(height), int(width)


def _points(polygon: Sequence[float]) -> np.ndarray:
    """float64[2 * points], checked."""
    if not isinstance(polygon, np.ndarray) and (
        not isinstance(polygon, list | tuple) or not set(map(type, polygon)) <= {int, float}
    ):
        raise UserError("a polygon must be a list of numbers.")
    try:
        points = np.asarray(polygon, np.float64)
    except OverflowError:
        points = np.array([np.inf, np.inf])
    if points.ndim != 1 or len(points) % 2:
        raise UserError("a polygon must be a list of x and y by turns.")
    if points.size and not np.abs(points).max() <= FARTHEST:  # nor is NaN
        raise UserError(f"a polygon has a point that is no number, or more than {FARTHEST:,} pixels away.")
    return points


def _length(points: np.ndarray) -> float:
    """Pixels along an outline, or a bound that is short enough."""
    bound = len(points) * np.abs(points).max()
    if bound <= MOST_BOUND:
        return bound
    return np.abs(points - np.roll(points, 2)).reshape(-1, 2).max(1).sum()


def _lengths(counts: str | bytes | Sequence[int], pixels: int) -> np.ndarray:
    """int64[runs], checked to add up to ``pixels``."""
    if isinstance(counts, str | bytes):
        lengths = _decompressed(counts, pixels)
    elif isinstance(counts, list | tuple) and set(map(type, counts)) <= {int}:
        if not all(0 <= count <= pixels for count in counts):
            raise UserError(f"the mask's counts are not within 0 to {pixels:,}.")
        lengths = np.array(counts, np.int64)
    else:
        raise UserError("the mask's counts must be whole numbers, or text.")
    if len(lengths) and not 0 <= lengths.min() <= lengths.max() <= pixels:
        raise UserError(f"the mask's counts are not within 0 to {pixels:,}.")
    if lengths.sum() != pixels:
        raise UserError(f"the mask's counts add up to {lengths.sum():,}, not to the picture's {pixels:,} pixels.")
    return lengths


def _decompressed(counts: str | bytes, pixels: int) -> np.ndarray:
    """int64[runs]: five bits a letter, and each length from the third on less that of two before."""
    refused = UserError("the mask's counts are no text that COCO's tools have compressed.")
    try:
        letters = np.frombuffer(counts.encode("ascii") if isinstance(counts, str) else counts, np.uint8)
    except UnicodeEncodeError:
        raise refused from None
    if not len(letters) or letters.min() < 48 or letters.max() > 111 or len(letters) > MOST_LETTERS * (pixels + 1):
        raise refused
    digits = letters.astype(np.int64) - 48
    ends = np.flatnonzero(digits < 32)
    if not len(ends) or ends[-1] != len(digits) - 1:
        raise refused
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    if sizes.max() > MOST_LETTERS:
        raise refused
    places = 5 * (np.arange(len(digits)) - np.repeat(starts, sizes))
    lengths = np.add.reduceat((digits & 31) << places, starts)
    lengths -= np.where(digits[ends] & 16, 1 << 5 * sizes, 0)
    for first in (1, 2):
        lengths[first::2] = np.cumsum(lengths[first::2])
    return lengths


def _painted(lengths: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T
