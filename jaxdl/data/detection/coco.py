"""COCO's files: one JSON file a split, with pictures, categories, and boxes and masks of objects."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxdl.data.detection import coco_json, sizes, splits
from jaxdl.data.detection.class_names import MOST_LISTED, checked, unknown_class
from jaxdl.data.detection.coco_json import Categories, Content, key_of
from jaxdl.data.detection.coco_pictures import Picture, pictures_of
from jaxdl.data.detection.drawn import Drawn, four, number, objects_of
from jaxdl.data.detection.faults import NO_OBJECT, NO_PICTURE, Faults
from jaxdl.data.detection.labelled import Labelled, Listing
from jaxdl.errors import UserError
from jaxdl.wording import printable

ANNOTATIONS, BESIDE = "annotations", "_annotations.coco.json"
PREFIX = "instances_"


def found(root: Path) -> bool:
    """Whether the folder is laid out so."""
    return any(True for _ in _files(root))


def read(root: Path, *, one: bool = False) -> Listing:
    """The pictures of each file of annotations, with their objects; boxes as corners, masks compressed.

    Classes are the categories that train lists, in the order of their numbers. An object without a box has that around
    its mask; where some objects have masks, those without have their boxes for masks.
    """
    faults = Faults()
    files: dict[str, Path] = {}
    for name, path in _files(root):
        if name in files:
            told = " and ".join(printable(str(each.relative_to(root))) for each in (files[name], path))
            raise UserError(f"{told} in {printable(str(root))} are both of the split {name}. Remove one.")
        files[name] = path
    named, remarks = splits.assigned(root, {name: str(path.relative_to(root)) for name, path in files.items()}, one=one)
    contents = {split: coco_json.opened(files[name], root) for split, name in named.items()}
    masks = any(_drawn(each) for content in contents.values() for each in content.annotations)
    used = {
        key_of(each.get("category_id"))
        for content in contents.values()
        for each in content.annotations
        if isinstance(each, dict)
    }
    categories = {split: coco_json.categories_of(content, used) for split, content in contents.items()}
    ours = categories["train"]
    classes = checked([name for _, name in ours.values()], contents["train"].path)
    for split, theirs in categories.items():
        _check_same(ours, theirs, contents["train"], contents[split])
    numbers = {key: number for number, key in enumerate(ours)}
    labelled = {}
    for split, content in contents.items():
        pictures = pictures_of(content, root, split=named[split])
        drawn = _by_picture(content, pictures, numbers, categories[split], classes, faults)
        listed = list(pictures.values())
        measured = sizes.checked(
            [each.path for each in listed], [each.size for each in listed], [content.told] * len(listed)
        )
        labelled[split] = [
            Labelled(each.path, size, objects_of(drawn.get(key, ()), size, faults, masks=masks), each.image_id)
            for (key, each), size in zip(pictures.items(), measured, strict=True)
        ]
    ids = tuple(category_id for category_id, _ in ours.values())
    return Listing(classes, str(contents["train"].path), labelled, [*remarks, *faults.remarks()], ids)


def _files(root: Path) -> Iterable[tuple[str, Path]]:
    """Names of splits, and their files of annotations."""
    folder = root / ANNOTATIONS
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        if name := splits.name_of(path.stem.removeprefix(PREFIX)):
            yield name, path
    for name in splits.NAMES:
        if (root / name / BESIDE).is_file():
            yield name, root / name / BESIDE


def _drawn(annotation: Any) -> Any:
    """Its ``segmentation``; None where that has nothing in it."""
    mask = annotation.get("segmentation") if isinstance(annotation, dict) else None
    return None if not mask or mask == [[]] else mask


def _check_same(ours: Categories, theirs: Categories, train: Content, other: Content) -> None:
    """Raises UserError where a number is of another class in ``other`` than in ``train``."""
    for key, (_, name) in theirs.items():
        if key in ours and ours[key][1] != name:
            raise UserError(
                f"the category {key} is {printable(ours[key][1])} in {train.told} and {printable(name)} in "
                f"{other.told}. It must be the same in both."
            )


def _by_picture(
    content: Content,
    pictures: Mapping[str, Picture],
    numbers: Mapping[str, int],
    categories: Categories,
    classes: tuple[str, ...],
    faults: Faults,
) -> dict[str, list[Drawn]]:
    """Objects by the key of their picture."""
    drawn: dict[str, list[Drawn]] = {}
    for index, each in enumerate(content.annotations):
        place = f"{content.told} annotations[{index}]"
        if not isinstance(each, dict):
            faults.add(NO_OBJECT, place)
            continue
        picture, category = key_of(each.get("image_id")), key_of(each.get("category_id"))
        if picture not in pictures:
            faults.add(NO_PICTURE, place)
            continue
        if category not in numbers:
            if category in categories:
                raise unknown_class(place, categories[category][1], classes)
            known = f" ({', '.join(map(printable, numbers))})" if len(numbers) <= MOST_LISTED else ""
            raise UserError(
                f"{place} has the category_id {printable(str(each.get('category_id'))[:40])}, which is none of the "
                f"categories{known}."
            )
        drawn.setdefault(picture, []).append(_object(each, place, numbers[category]))
    return drawn


def _object(annotation: Mapping[str, Any], place: str, label: int) -> Drawn:
    box, mask = annotation.get("bbox"), _drawn(annotation)
    if box in (None, []) and mask is not None:
        corners = None
    else:
        corners = four(box)
        if corners:
            left, top, width, height = corners
            corners = left, top, left + width, top + height
    return Drawn(
        place=place,
        box=corners,
        label=label,
        crowd=annotation.get("iscrowd") in (1, "1"),
        area=number(annotation.get("area")),
        mask=mask,
    )
