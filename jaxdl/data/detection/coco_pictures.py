"""Pictures that a file of annotations as COCO writes it lists, found in the folders where they are usually kept."""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from jaxdl.data.detection.coco_json import Content, id_of, key_of
from jaxdl.data.detection.drawn import number
from jaxdl.errors import UserError
from jaxdl.wording import counted, printable

IMAGES = "images"
MOST_NAMED = 5  # pictures in an error
MOST_SIDE = 10**9  # of a picture's size as it is told
WHOLE = re.compile("[0-9]{1,9}")


class Picture(NamedTuple):
    """size: (height, width) as the file tells it, or None."""

    path: Path
    size: tuple[int, int] | None
    image_id: int | str


def pictures_of(content: Content, root: Path, *, split: str) -> dict[str, Picture]:
    """Key -> picture, in the order of the file. split: its name, by which folders are named.

    Raises UserError for a picture without an id or a name, doubles, names that lead out of the dataset, and pictures
    that are not there.
    """
    found: dict[str, Picture] = {}
    names: dict[str, str] = {}
    for index, each in enumerate(content.images):
        place = f"{content.told} images[{index}]"
        key = key_of(each.get("id")) if isinstance(each, dict) else None
        name = each.get("file_name") if isinstance(each, dict) else None
        if key is None or not isinstance(name, str) or not name.strip():
            raise UserError(f"{place} must have an id and a file_name.")
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise UserError(f"{place} has the file_name {printable(name[:200])}, which is outside of the dataset.")
        name = os.path.normpath(name)
        for what, value, seen in (("id", key, found), ("file_name", name, names)):
            if value in seen:
                raise UserError(
                    f"{place} has the {what} {printable(value[:200])} of another picture. Each needs its own: "
                    "remove one of them."
                )
        names[name] = key
        found[key] = Picture(Path(name), _size(each, place), id_of(each["id"]))
    if not found:
        raise UserError(f"{content.told} in {printable(str(root))} lists no pictures.")
    folder = _folder(content, root, split, list(names))
    return {key: each._replace(path=folder / each.path) for key, each in found.items()}


def _folder(content: Content, root: Path, split: str, names: list[str]) -> Path:
    """The folder that has all of the pictures; raises UserError where none has."""
    if content.path.parent == root / split:
        folders = [root / split]
    else:
        year = content.path.stem.rpartition("_")[2]
        places = (year, f"{IMAGES}/{year}", f"{IMAGES}/{split}", split, IMAGES, ".")
        folders = [folder for place in dict.fromkeys(places) if (folder := root / place).is_dir()]
    fewest: list[str] = names
    nearest = folders[0]
    for folder in folders:
        missing = [name for name in names if not os.path.isfile(folder / name)]
        if not missing:
            return folder
        if len(missing) < len(fewest):
            fewest, nearest = missing, folder
    named = ", ".join(printable(name[:200]) for name in fewest[:MOST_NAMED])
    more = f" and {len(fewest) - MOST_NAMED:,} more" if len(fewest) > MOST_NAMED else ""
    raise UserError(
        f"{content.told} lists {counted(len(fewest), 'picture')} that {printable(str(nearest))} does not have: "
        f"{named}{more}."
    )


def _size(image: dict[str, Any], place: str) -> tuple[int, int] | None:
    """(height, width); None where it is not told, or as 0."""
    told = [image.get(side) for side in ("height", "width")]
    sides = [number(int(side) if isinstance(side, str) and WHOLE.fullmatch(side) else side) for side in told]
    if all(value is None or side == 0 for value, side in zip(told, sides, strict=True)):
        return None
    if not all(side is not None and 0 < side < MOST_SIDE and side == int(side) for side in sides):
        shown = " and ".join(printable(str(value)[:20]) for value in told)
        raise UserError(f"{place} has the height and width {shown}: they must be numbers of pixels.")
    return int(sides[0]), int(sides[1])
