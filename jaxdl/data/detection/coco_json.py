"""A file of annotations as COCO writes it: its three lists, and the numbers and names of its categories."""

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from jaxdl.data.detection.text_files import json_of
from jaxdl.errors import UserError
from jaxdl.wording import printable

LISTS = ("images", "annotations", "categories")
NUMBER = re.compile("-?[0-9]{1,18}")

Categories = dict[str, tuple[int | str, str]]  # key -> number and name, in the order of the numbers


class Content(NamedTuple):
    """path: the file; told: how it is called in errors. images, annotations, categories: its lists, as they are."""

    path: Path
    told: str
    images: list[Any]
    annotations: list[Any]
    categories: list[Any]


def opened(path: Path, root: Path) -> Content:
    """The lists of a file. Raises UserError where it cannot be read or lacks one."""
    told = printable(path.relative_to(root).as_posix())
    content = json_of(path)
    lacking = [name for name in LISTS if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if lacking:
        raise UserError(f"{printable(str(path))} has no list of {', '.join(lacking)}: it must have all, as COCO has.")
    return Content(path, told, *(content[name] for name in LISTS))


def key_of(value: Any) -> str | None:
    """The same text for the number 12 and the text "12", as tools write one or the other; None for what is no id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value).strip() or None


def id_of(value: int | float | str) -> int | str:
    """The id as results write it: a number, as text where the file has it so."""
    return int(value) if isinstance(value, float) else value


def categories_of(content: Content, used: Collection[str | None]) -> Categories:
    """The categories of a file, in the order of their numbers.

    used: keys of those that have objects; another that shares a name with one of them is left out, as that which
    Roboflow writes for the dataset itself. Raises UserError for one without a number or a name, and for doubles.
    """
    found: Categories = {}
    for index, each in enumerate(content.categories):
        place = f"{content.told} categories[{index}]"
        key = key_of(each.get("id")) if isinstance(each, dict) else None
        name = each.get("name") if isinstance(each, dict) else None
        if key is None or not isinstance(name, str) or not name.strip():
            raise UserError(f"{place} must have an id and a name.")
        if key in found:
            raise UserError(f"{place} has the id {printable(key[:40])} of another category. Each needs its own.")
        found[key] = (int(key) if NUMBER.fullmatch(key) else key, printable(name.strip()))
    counts = Counter(name for _, name in found.values())
    found = {key: each for key, each in found.items() if counts[each[1]] == 1 or key in used}
    return dict(sorted(found.items(), key=lambda each: (isinstance(each[1][0], str), each[1][0])))
