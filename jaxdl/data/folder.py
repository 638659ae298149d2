"""A dataset from folders of pictures: ``root/train/<class>/`` and ``root/test/<class>/``, at any depth."""

import codecs
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from jaxdl.data import cache, decoding, folder_links, picture_files
from jaxdl.data.framing import Framing
from jaxdl.data.pictures import SUFFIXES
from jaxdl.errors import UserError
from jaxdl.wording import counted, printable

TESTED = ("test", "val", "valid", "validation")  # names of the split that is tested on: the first that is there
IMAGES, LABELS = "_image", "_label"  # ends of the names of two folders: pictures, and their classes as text files
ALIKE = 0.75  # of two names' letters, that one is taken for the other mistyped
MOST_NAMED = 20  # classes in an error
MOST_LETTERS = 200  # of a class in such a file


class Listing(NamedTuple):
    """Contents of a dataset's folders.

    classes: names to show, with bytes that are not UTF-8 escaped. splits: for ``train`` and ``test``, one array of the
    pictures' names, relative to the root and in bytes as by ``os.fsencode``, and one of their labels, int32[N].
    remarks: sentences about what is not read, and what was substituted (``val/`` for a missing ``test/``).
    """

    classes: list[str]
    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    remarks: list[str]


class _Class(NamedTuple):
    name: str
    pictures: list[str]  # relative to the split's folder


def read(root: Path, framing: Framing, *, progress: bool = False) -> tuple[dict[str, np.ndarray], Listing]:
    """Both splits as arrays, ``train_images``: uint8[N, size, size, 3], ``train_labels``: int32[N], and so for test.

    Classes are the folder names in sorted order. Pictures are rotated by their EXIF tag, converted to RGB, on white
    where they are transparent, and brought to their size as ``framing`` says. Raises UserError for a missing or an
    empty folder, and for pictures that cannot be read, naming all of them.
    """
    listed = listing(root)
    paths = {split: [root / os.fsdecode(name) for name in names] for split, (names, _) in listed.splits.items()}
    every = [path for split in paths.values() for path in split]

    def decode() -> tuple[dict[str, np.ndarray], dict]:
        stored = {}
        if progress:
            place = printable(str(root))
            print(f"Reading {len(every):,} pictures from {place}; later runs start from a cache.", flush=True)
        for split, files in paths.items():
            stored[f"{split}_images"] = np.empty((len(files), framing.size, framing.size, 3), np.uint8)
        with tqdm(total=len(every), desc="reading pictures", unit="img", disable=None if progress else True) as bar:
            decoding.fill(
                [image for images in stored.values() for image in images], every, framing, on_pictures=bar.update
            )
        return stored, {}

    settings = framing.size if framing == Framing(framing.size) else tuple(framing)
    stored, _ = cache.arrays(cache.key_of("folder", every, settings, len(paths["train"])), decode)
    labels = {f"{split}_labels": labels for split, (_, labels) in listed.splits.items()}
    return stored | labels, listed


def listing(root: Path) -> Listing:
    """The pictures of both splits in ``read``'s order; opens none.

    The test split is ``test/``, or ``val/`` if that is missing or empty, in any case. Beside ``<class>/`` folders, a
    split may hold ``<name>_image/`` with pictures and ``<name>_label/`` with a ``.txt`` file of the same name for each,
    which holds its class. Raises UserError for a missing or an empty folder, a folder of two classes, and for classes
    that are in one split only.
    """
    tests = [folder for name in TESTED if (folder := _folder(root, name))]
    folders = {"train": _folder(root, "train"), "test": next(filter(_entries, tests), tests[0] if tests else None)}
    if None in folders.values():
        lacking = root / ("train" if folders["train"] is None else "test")
        raise UserError(
            f"{printable(str(lacking))} is not a folder. The folder of a dataset holds pictures in train/<class>/ and "
            "test/<class>/ (or val/<class>/)."
        )
    found, beside = {}, {}
    for split, folder in folders.items():
        found[split], beside[split] = _split(folder)
    remarks = [remark for split, folder in folders.items() for remark in _left_out(folder.name, beside[split])]
    for folder in folders.values():
        remarks += _beside_classes(folder)
    tested = folders["test"].name
    if tested.lower() != "test":
        empty = f"{tests[0].name}/ is empty" if folders["test"] != tests[0] else "there is no test/"
        remarks.append(f"{empty}: the test split is {tested}/")
    if os.path.samefile(folders["train"], folders["test"]):
        remarks.append(f"{tested}/ and train/ are one folder: the test says how well images are remembered")
    else:
        below = {folder.name: beside[split] for split, folder in folders.items()}
        folder_links.refuse_in_both(root, below)
        remarks += folder_links.of_pictures(below)
    unused = [folder.name for folder in tests if folder != folders["test"] and _entries(folder)]
    if unused:
        remarks.append(f"not read: {', '.join(f'{name}/' for name in unused)}; images to validate come from train/")
    names = {split: {each.name for each in classes} for split, classes in found.items()}
    if names["train"] != names["test"]:
        alone = [
            f"{', '.join(sorted(names[one] - names[other]))} only in {folders[one].name}/"
            for one, other in (("train", "test"), ("test", "train"))
            if names[one] - names[other]
        ]
        raise UserError(f"the splits in {printable(str(root))} must hold the same classes: {'; '.join(alone)}.")
    classes = sorted(names["train"])
    if classes == ["images", "masks"]:
        raise UserError(
            f"{printable(str(root))} holds pictures and their masks, no classes: jaxdl segment is for those."
        )
    if len(classes) < 2:
        count = counted(len(classes), "class", "classes")
        raise UserError(f"{printable(str(folders['train']))} holds {count}; at least 2 are needed.")
    for split, folder in folders.items():
        _refuse_empty(folder, beside[split])
    splits = {split: _as_arrays(folders[split].name, each, classes) for split, each in found.items()}
    return Listing(classes, splits, remarks)


def labelled(
    root: Path, classes: Sequence[str], *, also: Mapping[str, str] = MappingProxyType({})
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The pictures in ``root/<class>/`` as ``listing`` gives those of a split, and its remarks; opens none.

    also: classes by other names that their folders may have. At least one of the folders must exist. Raises UserError
    for a folder that is none of ``classes`` and for an empty one.
    """
    if not root.is_dir():
        raise UserError(f"{printable(str(root))} is not a folder. Name one that holds pictures in <class>/.")
    found, left_out = _split(root)
    found = [each if each.name in classes else each._replace(name=also.get(each.name, each.name)) for each in found]
    strange = sorted({each.name for each in found} - set(classes))
    if strange or not found:
        what = f"the class {strange[0]}, which is none of the network's" if strange else "no folder"
        near = get_close_matches(strange[0], [*classes, *also], n=1, cutoff=ALIKE) if strange else []
        ways = f"Did you mean {near[0]}? " if near else ""
        others = ", or by their synsets or indices" if also else ""
        raise UserError(
            f"{printable(str(root))} holds {what}. {ways}It must hold pictures in folders named "
            f"{_listed(classes)}{others}."
        )
    _refuse_empty(root, left_out)
    return *_as_arrays("", found, list(classes)), _left_out("", left_out)


def decoded_bytes(root: Path, *, size: int) -> int:
    """Bytes of pixels that ``read`` would load; counts files and opens none. Raises as ``listing`` does."""
    return sum(len(names) for names, _ in listing(root).splits.values()) * size * size * 3


def _split(folder: Path) -> tuple[list[_Class], dict[str, picture_files.Found]]:
    """The classes in a split's folder, and what was found in each of its folders."""
    names = sorted(entry.name for entry in _entries(folder) if _is_folder(entry))
    pairs = [name for name in names if name.endswith(IMAGES) and _partner(name) in names]
    classes: dict[str, list[str]] = {}
    left_out = {}
    for name in names:
        if name in map(_partner, pairs):
            continue
        left_out[name] = found = picture_files.find(folder / name)
        if name not in pairs:
            classes.setdefault(_shown(name), [])
        for path in found.pictures:
            shown = _text_label(folder / _partner(name), path) if name in pairs else _shown(name)
            classes.setdefault(shown, []).append(os.path.join(name, path))
    folder_links.refuse_of_two(folder, left_out)
    return [_Class(name, paths) for name, paths in classes.items()], left_out


def _beside_classes(folder: Path) -> list[str]:
    """A sentence on pictures that are in no class and on classes' links that lead nowhere, if there are any."""
    others = [entry for entry in _entries(folder) if not _is_folder(entry)]
    loose = [entry.name for entry in others if entry.name.lower().endswith(SUFFIXES)]
    dead = [entry.name for entry in others if entry.is_symlink() and not os.path.exists(entry.path)]
    with os.scandir(folder) as entries:
        hidden = [entry.name for entry in entries if entry.name.startswith(".") and _holds_pictures(entry)]
    left_out = {"pictures in no class": loose, picture_files.LINKS: dead, "hidden folders of pictures": hidden}
    found = picture_files.Found([], left_out)
    said = picture_files.told([found])
    return [f"left out of {folder.name}/: {said}"] if said else []


def _refuse_empty(folder: Path, left_out: dict[str, picture_files.Found]) -> None:
    for name, found in left_out.items():
        if not found.pictures:
            beside = picture_files.told([found])
            raise UserError(
                f"the class folder {printable(str(folder / name))} holds no pictures ({', '.join(SUFFIXES)})"
                f"{f', but {beside}' if beside else ''}. Fill or remove it."
            )


def _folder(root: Path, name: str) -> Path | None:
    """The folder of that name in ``root``; if there is none, the first whose name differs in case."""
    if not root.is_dir():
        return None
    found = sorted(each.name for each in _entries(root) if each.name.lower() == name and _is_folder(each))
    return root / (name if name in found else found[0]) if found else None


def _entries(folder: Path) -> list[os.DirEntry]:
    """Entries of the folder, without hidden ones and those that systems leave."""
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".") and entry.name not in picture_files.LEFT]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _holds_pictures(entry: os.DirEntry) -> bool:
    return _is_folder(entry) and bool(picture_files.find(entry.path).pictures)


def _partner(name: str) -> str:
    return name.removesuffix(IMAGES) + LABELS


def _shown(name: str) -> str:
    """A class by its folder's name. One system writes an accent into its letter, another behind it: one class."""
    return unicodedata.normalize("NFC", printable(name))


def _text_label(folder: Path, picture: str) -> str:
    path = (folder / picture).with_suffix(".txt")
    if not path.exists() and path.with_suffix(".TXT").exists():
        path = path.with_suffix(".TXT")
    try:
        with path.open("rb") as file:
            content = file.read(4 * MOST_LETTERS + 1)
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf16 else "utf-8-sig", "surrogateescape").strip()
    except OSError as error:
        raise UserError(
            f"the class of a picture cannot be read from {printable(str(path))} ({error.strerror}). "
            "Write it there, or remove the picture."
        ) from error
    if not text or len(text) > MOST_LETTERS or "\n" in text:
        raise UserError(f"{printable(str(path))} must hold the name of a class in one line, and nothing else.")
    return _shown(text)


def _left_out(split: str, found: dict[str, picture_files.Found]) -> list[str]:
    """A sentence on what is not read, if anything."""
    said = {name: words for name, each in found.items() if (words := picture_files.told([each]))}
    if len(said) > 3:
        return [f"left out of {len(said):,} folders{f' of {split}/' if split else ''}: "
                f"{picture_files.told(found.values())}"]  # fmt: skip
    return [f"left out of {printable(os.path.join(split, name))}/: {words}" for name, words in said.items()]


def _listed(classes: Sequence[str]) -> str:
    if len(classes) <= MOST_NAMED:
        return ", ".join(classes)
    return f"{', '.join(classes[:MOST_NAMED])} and {len(classes) - MOST_NAMED:,} others"


def _as_arrays(split: str, found: Iterable[_Class], classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The names, relative to the root, class by class in the order of ``classes``, and their labels."""
    ordered = sorted(found, key=lambda each: classes.index(each.name))
    names = [os.fsencode(os.path.join(split, path)) for each in ordered for path in each.pictures]
    labels = [classes.index(each.name) for each in ordered]
    return np.array(names), np.repeat(np.array(labels, np.int32), [len(each.pictures) for each in ordered])
