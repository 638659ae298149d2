"""YOLO's files: beside each picture a text file, a line an object, in shares of the picture's width and height."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxdl.data.detection import sizes, splits
from jaxdl.data.detection.class_names import in_lines, in_yaml
from jaxdl.data.detection.drawn import Drawn, objects_of
from jaxdl.data.detection.faults import ALONE, NO_BOX, Faults
from jaxdl.data.detection.labelled import Labelled, Listing
from jaxdl.data.detection.text_files import text_of
from jaxdl.data.stems import by_stem
from jaxdl.errors import UserError
from jaxdl.wording import counted, printable

IMAGES, LABELS = "images", "labels"
NAMED = ("data.yaml", "data.yml", "classes.txt", "obj.names")
BOX, FEWEST = 4, 6  # numbers behind the class: of a box, and of the shortest outline
WHOLE = re.compile(r"-?[0-9]{1,9}(?:\.0*)?")


class _Row(NamedTuple):
    """A line: its place, its class, and its numbers in shares of the picture."""

    place: str
    label: int
    numbers: list[float]


def found(root: Path) -> bool:
    """Whether the folder is laid out so."""
    return any(True for _ in _folders(root))


def read(root: Path, *, one: bool = False) -> Listing:
    """The pictures in ``images``, with the objects of the files of their names in ``labels``.

    ``class cx cy w h`` is a box, a class with six numbers or more an outline: a mask, and the box around it. Where
    some objects have outlines, those without have their boxes for masks. A picture without a file, or with an empty
    one, has no objects. Names of the classes are those of ``data.yaml``, ``classes.txt`` or ``obj.names``.
    """
    remarks: list[str] = []
    faults = Faults()
    folders: dict[str, tuple[Path, Path]] = {}
    for name, images, labels in _folders(root):
        if name in folders:
            told = " and ".join(printable(str(each.relative_to(root))) for each in (folders[name][0], images))
            raise UserError(f"{told} in {printable(str(root))} are both of the split {name}. Remove one.")
        folders[name] = images, labels
    named, said = splits.assigned(
        root, {name: str(images.relative_to(root)) for name, (images, _) in folders.items()}, one=one
    )
    classes, named_by = _classes(root)
    pictures = {split: by_stem(folders[name][0], remarks) for split, name in named.items()}
    rows = {
        split: _rows(root, folders[name][1], list(pictures[split]), (classes, named_by), faults)
        for split, name in named.items()
    }
    masks = any(len(row.numbers) > BOX for several in rows.values() for each in several for row in each)
    labelled = {}
    for split, stems in pictures.items():
        files = list(stems.values())
        labelled[split] = [
            Labelled(file, size, objects_of([_drawn(row, size) for row in each], size, faults, masks=masks), number)
            for number, (file, size, each) in enumerate(zip(files, sizes.measured(files), rows[split], strict=True), 1)
        ]
    return Listing(classes, named_by, labelled, [*said, *remarks, *faults.remarks()], tuple(range(1, len(classes) + 1)))


def _folders(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Names of splits, and their folders of pictures and of labels."""
    pairs = [(folder, root / LABELS / folder.name) for folder in _below(root / IMAGES)]
    pairs += [(folder / IMAGES, folder / LABELS) for folder in _below(root)]
    for images, labels in pairs:
        name = splits.name_of(images.parent.name if images.name == IMAGES else images.name)
        if name and images.is_dir() and labels.is_dir():
            yield name, images, labels


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError:
        return []


def _classes(root: Path) -> tuple[tuple[str, ...], str]:
    for name in NAMED:
        path = root / name
        if path.exists():
            return in_yaml(path) if path.suffix in (".yaml", ".yml") else in_lines(path), str(path)
    raise UserError(
        f"{printable(str(root))} has no file with the classes' names. Write them into classes.txt there, a line each, "
        "in the order of their numbers, or as names into data.yaml."
    )


def _rows(
    root: Path, folder: Path, stems: list[str], named: tuple[tuple[str, ...], str], faults: Faults
) -> list[list[_Row]]:
    """The objects of each of ``stems``, from the text files of their names."""
    with_picture = {"classes", *stems}
    for path in sorted(folder.rglob("*.txt")):
        if str(path.relative_to(folder).with_suffix("")) not in with_picture:
            faults.add(ALONE, printable(path.relative_to(root).as_posix()))
    files = [folder / f"{stem}.txt" for stem in stems]
    return [_objects(root, file, named, faults) if os.path.lexists(file) else [] for file in files]


def _objects(root: Path, path: Path, named: tuple[tuple[str, ...], str], faults: Faults) -> list[_Row]:
    classes, named_by = named
    told = printable(path.relative_to(root).as_posix())
    found = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        first, *rest = line.split() or [""]
        if not first:
            continue
        place = f"{told} line {number}"
        numbers = _numbers(rest)
        count = len(numbers or ())
        if not WHOLE.fullmatch(first) or (count != BOX and (count < FEWEST or count % 2)):
            faults.add(NO_BOX, place)
            continue
        label = int(float(first))
        if not 0 <= label < len(classes):
            raise UserError(
                f"{place} has the class {label}; {printable(named_by)} names "
                f"{counted(len(classes), 'class', 'classes')}, from 0 to {len(classes) - 1}."
            )
        found.append(_Row(place, label, numbers))
    return found


def _numbers(words: list[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def _drawn(row: _Row, size: tuple[int, int]) -> Drawn:
    """In pixels of a picture of ``size``."""
    height, width = size
    if len(row.numbers) == BOX:
        across, down, wide, high = row.numbers
        box = across - wide / 2, down - high / 2, across + wide / 2, down + high / 2
        return Drawn(row.place, (box[0] * width, box[1] * height, box[2] * width, box[3] * height), row.label)
    columns, lines = [x * width for x in row.numbers[::2]], [y * height for y in row.numbers[1::2]]
    outline = [side for point in zip(columns, lines, strict=True) for side in point]
    if not all(map(math.isfinite, outline)):
        return Drawn(row.place, (math.nan,) * 4, row.label)
    return Drawn(row.place, (min(columns), min(lines), max(columns), max(lines)), row.label, mask=[outline])
