"""Sizes of pictures, from their headers, against those that annotations tell of."""

from collections.abc import Sequence
from pathlib import Path

from jaxdl.data import decoding, pictures
from jaxdl.errors import UserError
from jaxdl.wording import printable

Size = tuple[int, int]


def measured(files: Sequence[Path]) -> list[Size]:
    """(height, width) of each picture as it is seen, turned by its EXIF tag; opens headers alone.

    Raises UserError naming those that cannot be read.
    """
    sizes: list[Size] = [(0, 0)] * len(files)

    def measure(row: int) -> None:
        sizes[row] = pictures.size_of(files[row], most_pixels=decoding.MOST_PIXELS)

    refused, _ = decoding.refused_of(measure, len(files))
    if refused:
        raise decoding.UnreadableError.of(refused)
    return sizes


def checked(files: Sequence[Path], told: Sequence[Size | None], places: Sequence[str]) -> list[Size]:
    """Sizes as ``measured``, each checked to be as ``told`` where it was. places: where that was.

    Raises UserError for pictures of another size: their boxes would be elsewhere.
    """
    sizes = measured(files)
    other = [row for row, size in enumerate(sizes) if told[row] not in (None, size)]
    if not other:
        return sizes
    (height, width), (told_height, told_width) = sizes[other[0]], told[other[0]]
    turned = ", perhaps turned by its EXIF tag" if (height, width) == (told_width, told_height) else ""
    more = f" (and so of {len(other) - 1:,} more)" if len(other) > 1 else ""
    raise UserError(
        f"the picture {printable(str(files[other[0]]))} is {width}x{height} pixels as it is seen{turned}, by "
        f"{places[other[0]]} {told_width}x{told_height}{more}. Boxes must be of the picture as it is seen: correct one."
    )
