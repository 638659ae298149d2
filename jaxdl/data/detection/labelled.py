"""Pictures with their objects, before any pixel is decoded."""

from pathlib import Path
from typing import NamedTuple

from jaxdl.objects import Objects


class Labelled(NamedTuple):
    """A picture and its objects.

    size: (height, width) of the picture as it is seen, turned by its EXIF tag. image_id: as results name it: of the
    file of annotations where it has one, else from 1 within the split.
    """

    picture: Path
    size: tuple[int, int]
    objects: Objects
    image_id: int | str


class Listing(NamedTuple):
    """classes: names in the order of their numbers, and where they are from. splits: ``train``, ``test``, and ``val``
    where there is one beside.

    remarks: sentences about what is not read, and what was substituted.
    category_ids: numbers by which results name the classes: of the file of annotations, else from 1.
    """

    classes: tuple[str, ...]
    named_by: str
    splits: dict[str, list[Labelled]]
    remarks: list[str]
    category_ids: tuple[int | str, ...]

    @property
    def masks(self) -> bool:
        """Whether objects have masks."""
        return any(each.objects.masks is not None for split in self.splits.values() for each in split)
