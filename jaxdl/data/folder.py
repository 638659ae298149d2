"""A dataset from folders of pictures, ``root/train/<class>/*.jpg`` and ``root/test/<class>/*.jpg``."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl.data import cache, pictures
from jaxdl.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png")
MOST_PIXELS = pictures.MOST_PIXELS


def read(root: Path, *, size: int, progress: bool = False) -> tuple[dict[str, np.ndarray], dict]:
    """Both splits as arrays, ``train_images``: uint8[N, size, size, 3], ``train_labels``: int32[N], and so for test.

    Classes are the folder names in sorted order. Pictures are turned upright by their EXIF tag, brought to RGB, on
    white where they are transparent, and resized (bilinear) without keeping their aspect. Raises UserError for a
    missing or an empty folder and for a picture that cannot be read.
    """
    classes, splits = listing(root)
    paths = {split: [root / os.fsdecode(name) for name in names] for split, (names, _) in splits.items()}
    every = [path for split in paths.values() for path in split]

    def decode() -> tuple[dict[str, np.ndarray], dict]:
        stored = {}
        if progress:
            print(f"Reading {len(every):,} pictures from {root}; later runs start from a cache.", flush=True)
        for split, (_, labels) in splits.items():
            stored[f"{split}_images"] = _decode(paths[split], size, progress, split)
            stored[f"{split}_labels"] = labels
        return stored, {"classes": classes}

    return cache.arrays(cache.key_of("folder", every, size), decode)


def listing(root: Path) -> tuple[list[str], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The classes and, for ``train`` and ``test``, the pictures' names and labels, in ``read``'s order; opens none.

    Names are bytes relative to ``root``, as ``os.fsencode`` gives them, in one array; labels: int32[N].
    Raises UserError for a missing or an empty folder.
    """
    classes = _classes(root / "train")
    if _classes(root / "test") != classes:
        raise UserError(f"{root / 'test'} must hold the same class folders as {root / 'train'}: {', '.join(classes)}.")
    splits = {}
    for split in ("train", "test"):
        found = [_pictures(root, Path(split, name)) for name in classes]
        labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(names) for names in found])
        splits[split] = np.array([name for names in found for name in names]), labels
    return classes, splits


def labelled(root: Path, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures in ``root/<class>/`` as ``listing`` gives those of a split; opens none.

    Folders may be missing, and one at least must be there. Raises UserError for one that is none of ``classes`` and for
    an empty one.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder. Name one that holds pictures in <class>/.")
    found = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    strange = sorted(set(found) - set(classes))
    if strange or not found:
        what = f"the folder {strange[0]}, which is none of the classes" if strange else "no folder"
        raise UserError(f"{root} holds {what}. It must hold pictures in folders named {', '.join(classes)}.")
    names = [_pictures(root, Path(name)) for name in found]
    labels = np.repeat(np.array([classes.index(name) for name in found], np.int32), [len(each) for each in names])
    return np.array([name for each in names for name in each]), labels


def decoded_bytes(root: Path, *, size: int) -> int:
    """The memory that ``read`` would fill with pixels; counts files and opens none. Raises as ``listing`` does."""
    return sum(len(names) for names, _ in listing(root)[1].values()) * size * size * 3


def open_picture(path: Path, size: int) -> np.ndarray:
    """One picture as uint8[size, size, 3], by ``pictures.open_picture``; raises UserError with its path."""
    try:
        return pictures.open_picture(path, size, most_pixels=MOST_PIXELS)
    except UserError as error:
        raise UserError(f"{error} Replace or remove it.") from error


def _classes(split: Path) -> list[str]:
    if not split.is_dir():
        raise UserError(
            f"{split} is not a folder. --data-dir must name a folder that holds "
            "pictures in train/<class>/ and test/<class>/."
        )
    found = sorted(entry.name for entry in split.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(found) < 2:
        raise UserError(f"{split} holds {len(found)} class folders; at least 2 are needed.")
    return found


def _pictures(root: Path, folder: Path) -> list[bytes]:
    with os.scandir(root / folder) as entries:
        names = [entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
    found = sorted(name for name in names if not name.startswith("."))
    if not found:
        raise UserError(
            f"the class folder {root / folder} holds no pictures ({', '.join(SUFFIXES)}). Fill or remove it."
        )
    return [os.fsencode(folder / name) for name in found]


def _decode(paths: list[Path], size: int, progress: bool, split: str) -> np.ndarray:
    images = np.empty((len(paths), size, size, 3), np.uint8)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        decoded = pool.map(lambda path: open_picture(path, size), paths)
        bar = tqdm(decoded, f"reading {split} pictures", len(paths), unit="img", disable=None if progress else True)
        for row, image in enumerate(bar):
            images[row] = image
    finally:
        pool.shutdown(cancel_futures=True)
    return images
