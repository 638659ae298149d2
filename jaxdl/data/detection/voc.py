"""PASCAL VOC's files: a picture, an XML file of its objects, and lists of names for the splits."""

import os
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from jaxdl.data.detection import sizes, splits
from jaxdl.data.detection.class_names import in_lines, unknown_class
from jaxdl.data.detection.drawn import NO_NUMBERS, Box, Drawn, four, objects_of
from jaxdl.data.detection.faults import NO_OBJECT, Faults
from jaxdl.data.detection.labelled import Labelled, Listing
from jaxdl.data.detection.text_files import text_of, xml_of
from jaxdl.data.mask_listing import CLASSES, VOC_CLASSES, VOC_IMAGES
from jaxdl.data.stems import by_stem
from jaxdl.errors import UserError
from jaxdl.wording import counted, printable

ANNOTATIONS, LISTS = "Annotations", "ImageSets/Main"
BOTH = "trainval"
TWENTY = VOC_CLASSES[1:]  # the first is the background
MOST_NAMED = 5  # pictures in an error
MOST_SIDE = 10**9  # of a picture's size as it is told


class _Sheet(NamedTuple):
    """An XML file: how it is called, the size that it tells, and names of classes with the objects."""

    place: str
    size: tuple[int, int] | None
    named: list[tuple[str, Drawn]]


def found(root: Path) -> bool:
    """Whether the folder is laid out so."""
    return (root / ANNOTATIONS).is_dir() and (root / VOC_IMAGES).is_dir()


def read(root: Path, *, one: bool = False) -> Listing:
    """The pictures that ``ImageSets/Main`` names, with the objects of their files in ``Annotations``.

    Boxes are taken as they are written, (xmin, ymin, xmax, ymax), as users of torchvision take them: VOC counts pixels
    from 1, and its last is within the box, so left and upper edges lie a pixel too far in.
    Classes are those of ``classes.txt``, else VOC's twenty where no other occurs, else what occurs in train, sorted.
    """
    remarks: list[str] = []
    faults = Faults()
    pictures = by_stem(root / VOC_IMAGES, remarks)
    lists, said = _lists(root, one=one)
    stems = {split: _stems(root, path, pictures) for split, path in lists.items()}
    sheets = {split: [_sheet(root, stem, faults) for stem in names] for split, names in stems.items()}
    classes, named_by = _classes(root, sheets)
    numbers = {name: number for number, name in enumerate(classes)}
    labelled = {}
    for split, names in stems.items():
        files = [pictures[stem] for stem in names]
        measured = sizes.checked(files, [each.size for each in sheets[split]], [each.place for each in sheets[split]])
        labelled[split] = []
        for number, (file, size, sheet) in enumerate(zip(files, measured, sheets[split], strict=True), 1):
            for name, drawn in sheet.named:
                if name not in numbers:
                    raise unknown_class(drawn.place, name, classes)
            drawn = [each._replace(label=numbers[name]) for name, each in sheet.named]
            labelled[split].append(Labelled(file, size, objects_of(drawn, size, faults, masks=False), number))
    return Listing(classes, named_by, labelled, [*said, *remarks, *faults.remarks()], tuple(range(1, len(classes) + 1)))


def _lists(root: Path, *, one: bool) -> tuple[dict[str, Path], list[str]]:
    folder = root / LISTS
    there = {name: f"{LISTS}/{name}.txt" for name in splits.NAMES if (folder / f"{name}.txt").is_file()}
    both = "train" not in there and (folder / f"{BOTH}.txt").is_file()
    if both:
        there["train"] = f"{LISTS}/{BOTH}.txt"
        there = {name: told for name, told in there.items() if name in ("train", "test")}
    named, remarks = splits.assigned(root, there, one=one)
    if both:
        remarks.append(f"there is no {LISTS}/train.txt: the train split is {there['train']}")
    return {split: root / there[name] for split, name in named.items()}, remarks


def _stems(root: Path, path: Path, pictures: dict[str, Path]) -> list[str]:
    """The names in a list; each must have a picture and a file of annotations."""
    told = printable(str(path))
    stems = [line.strip() for line in text_of(path).splitlines() if line.strip()]
    if not stems:
        raise UserError(f"{told} names no picture.")
    if len(set(stems)) < len(stems):
        seen: set[str] = set()
        twice = next(stem for stem in stems if stem in seen or seen.add(stem))
        raise UserError(f"{told} names {printable(twice)} twice. Remove one.")
    for stem in stems:
        if os.path.isabs(stem) or ".." in Path(stem).parts:
            raise UserError(f"{told} names {printable(stem)}, which is outside of the dataset.")
    for alone, folder in (
        ([stem for stem in stems if stem not in pictures], VOC_IMAGES),
        ([stem for stem in stems if not os.path.isfile(_annotations(root, stem))], ANNOTATIONS),
    ):
        if alone:
            named = ", ".join(map(printable, alone[:MOST_NAMED]))
            more = f" and {len(alone) - MOST_NAMED:,} more" if len(alone) > MOST_NAMED else ""
            raise UserError(
                f"{told} names {counted(len(alone), 'picture')} that {printable(str(root / folder))} has no file of: "
                f"{named}{more}."
            )
    return stems


def _annotations(root: Path, stem: str) -> Path:
    return root / ANNOTATIONS / f"{stem}.xml"


def _sheet(root: Path, stem: str, faults: Faults) -> _Sheet:
    path = _annotations(root, stem)
    place = printable(path.relative_to(root).as_posix())
    content = xml_of(path)
    named = []
    for number, each in enumerate(content.findall("object"), 1):
        name = printable((each.findtext("name") or "").strip())
        here = f"{place} object {number}"
        if not name:
            faults.add(NO_OBJECT, here)
            continue
        difficult = (each.findtext("difficult") or "").strip() in ("1", "true", "True")
        named.append((name, Drawn(here, _box(each.find("bndbox")), 0, difficult=difficult)))
    return _Sheet(place, _size(content.find("size"), place), named)


def _box(element: Element | None) -> Box | tuple[()]:
    if element is None:
        return NO_NUMBERS
    try:
        return four([float(element.findtext(side) or "") for side in ("xmin", "ymin", "xmax", "ymax")])
    except ValueError:
        return NO_NUMBERS


def _size(element: Element | None, place: str) -> tuple[int, int] | None:
    """(height, width); None where it is not told, or as 0."""
    if element is None:
        return None
    told = [(element.findtext(side) or "0").strip() for side in ("height", "width")]
    try:
        height, width = (float(side) for side in told)
    except ValueError:
        height = width = -1.0
    if height == width == 0:
        return None
    if not (0 < height < MOST_SIDE and 0 < width < MOST_SIDE):
        raise UserError(f"{place} tells the height {printable(told[0][:20])} and the width {printable(told[1][:20])}.")
    return int(height), int(width)


def _classes(root: Path, sheets: dict[str, list[_Sheet]]) -> tuple[tuple[str, ...], str]:
    path = root / CLASSES
    if path.exists():
        return in_lines(path), str(path)
    names = {split: {name for sheet in several for name, _ in sheet.named} for split, several in sheets.items()}
    if set().union(*names.values()) <= set(TWENTY):
        return TWENTY, "PASCAL VOC"
    return tuple(sorted(names["train"])), "the annotations of train"
