"""Files of a dataset with masks: which picture has which mask, in which split, and what the classes are called."""

from pathlib import Path
from typing import NamedTuple

from jaxdl.data.folder import TESTED
from jaxdl.data.stems import by_stem
from jaxdl.errors import UserError
from jaxdl.masks import IGNORED
from jaxdl.wording import counted, printable

IMAGES, MASKS, CLASSES = "images", "masks", "classes.txt"
VOC_IMAGES, VOC_MASKS, VOC_LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
MOST_LETTERS = 1_000_000  # of a file with names
MOST_NAMED = 5  # files in an error


class Pair(NamedTuple):
    """A picture and its mask."""

    picture: Path
    mask: Path


class Listing(NamedTuple):
    """classes: names in the order of their numbers, and where they are from. splits: ``train``, ``test``, and ``val``
    where there is one beside.

    remarks: sentences about what is not read, and what was substituted (``val/`` for a missing ``test/``).
    """

    classes: tuple[str, ...]
    named_by: str
    splits: dict[str, list[Pair]]
    remarks: list[str]


def listing(root: Path) -> Listing:
    """The files of both splits, sorted by name; opens none of them. Raises UserError as ``load`` does for names."""
    if (root / VOC_MASKS).is_dir() and (root / VOC_IMAGES).is_dir():
        splits, remarks = _of_voc(root)
    elif (root / "train" / IMAGES).is_dir():
        splits, remarks = _of_folders(root)
    else:
        raise UserError(
            f"{printable(str(root))} is no dataset with masks. It must hold {IMAGES}/ and {MASKS}/ in train/ and "
            f"in test/ (or val/), or {VOC_IMAGES}/, {VOC_MASKS}/ and {VOC_LISTS}/ as PASCAL VOC does."
        )
    path = root / CLASSES
    if path.exists():
        return Listing(names_in(path), str(path), splits, remarks)
    if (root / VOC_MASKS).is_dir():
        return Listing(VOC_CLASSES, "PASCAL VOC", splits, remarks)
    raise UserError(
        f"{printable(str(path))} is not there. Write the names of the classes into it, a line each, in the order "
        "of their numbers."
    )


def pairs_in(root: Path, remarks: list[str]) -> list[Pair]:
    """The pictures in ``root/images`` with their masks in ``root/masks``; each must have the other."""
    folders = root / IMAGES, root / MASKS
    images, masks = (by_stem(folder, remarks) for folder in folders)
    _refuse_alone(images, masks, folders[1], "mask")
    _refuse_alone(masks, images, folders[0], "picture")
    return [Pair(images[stem], masks[stem]) for stem in sorted(images)]


def _of_folders(root: Path) -> tuple[dict[str, list[Pair]], list[str]]:
    tests = [name for name in TESTED if (root / name / IMAGES).is_dir()]
    if not tests:
        raise UserError(f"{printable(str(root / 'test' / IMAGES))} is not a folder: nothing is left to test on.")
    splits, remarks = {}, []
    named = {"train": "train", "test": tests[0]} | ({"val": "val"} if "val" in tests[1:] else {})
    for split, name in named.items():
        splits[split] = pairs_in(root / name, remarks)
    if tests[0] != "test":
        remarks.append(f"there is no test/: the test split is {tests[0]}/")
    if unused := [name for name in tests if name not in named.values()]:
        remarks.append(f"not read: {', '.join(f'{name}/' for name in unused)}")
    return splits, remarks


def _of_voc(root: Path) -> tuple[dict[str, list[Pair]], list[str]]:
    remarks: list[str] = []
    images, masks = (by_stem(root / name, remarks) for name in (VOC_IMAGES, VOC_MASKS))
    splits = {}
    for split in ("train", "val"):
        path = root / VOC_LISTS / f"{split}.txt"
        stems = [line for line in _lines(path) if line]
        if not stems:
            raise UserError(f"{printable(str(path))} names no picture.")
        for found, folder, what in ((images, VOC_IMAGES, "picture"), (masks, VOC_MASKS, "mask")):
            _refuse_alone(dict.fromkeys(stems, path), found, root / folder, what)
        splits["test" if split == "val" else split] = [Pair(images[stem], masks[stem]) for stem in stems]
    return splits, [*remarks, f"the test split is {VOC_LISTS}/val.txt"]


def _refuse_alone(these: dict[str, Path], others: dict[str, Path], folder: Path, what: str) -> None:
    """Raises where one of ``these`` has none among ``others``, which are in ``folder``."""
    alone = [stem for stem in these if stem not in others]
    if not alone:
        return
    named = ", ".join(printable(stem) for stem in alone[:MOST_NAMED])
    more = f" and {len(alone) - MOST_NAMED:,} more" if len(alone) > MOST_NAMED else ""
    raise UserError(
        f"{printable(str(these[alone[0]]))} has no {what}: in {printable(str(folder))} there is none of the name "
        f"{named}{more}."
    )


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return [line.strip() for line in file.read(MOST_LETTERS).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {printable(str(path))} ({getattr(error, 'strerror', None) or error}).") from error


def names_in(path: Path) -> tuple[str, ...]:
    """Names of classes, a line each. Raises UserError for a file that cannot be read, and for names that are none."""
    names = _lines(path)
    while names and not names[-1]:
        names.pop()
    if not 2 <= len(names) <= IGNORED:
        raise UserError(
            f"{printable(str(path))} names {counted(len(names), 'class', 'classes')}: 2 to {IGNORED} can be told."
        )
    if "" in names:
        raise UserError(f"line {names.index('') + 1} of {printable(str(path))} is empty: each class needs a name.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{printable(str(path))} names {printable(twice)} twice.")
    return tuple(printable(name) for name in names)
