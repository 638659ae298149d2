"""A dataset from folders of pictures, ``root/train/<class>/*.jpg`` and ``root/test/<class>/*.jpg``, by Pillow alone."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from jaxdl.data import cache
from jaxdl.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png")
MOST_PIXELS = 100_000_000  # a picture that claims more is refused before it is decoded


def read(root: Path, *, size: int, progress: bool = False) -> tuple[dict[str, np.ndarray], dict]:
    """Both splits as arrays, ``train_images``: uint8[N, size, size, 3], ``train_labels``: int32[N], and so for test.

    Classes are the folder names in sorted order. Pictures are turned upright by their EXIF tag, brought to RGB and
    resized (bilinear) without keeping their aspect. Raises UserError for a missing or an empty folder and for a
    picture that cannot be read.
    """
    classes = _classes(root / "train")
    if _classes(root / "test") != classes:
        raise UserError(f"{root / 'test'} must hold the same class folders as {root / 'train'}: {', '.join(classes)}.")
    files = {
        split: [(path, label) for label, name in enumerate(classes) for path in _pictures(root / split / name)]
        for split in ("train", "test")
    }

    every = [path for entries in files.values() for path, _ in entries]

    def decode() -> tuple[dict[str, np.ndarray], dict]:
        stored = {}
        if progress:
            print(f"Reading {len(every):,} pictures from {root}; later runs start from a cache.", flush=True)
        for split, entries in files.items():
            stored[f"{split}_images"] = _decode([path for path, _ in entries], size, progress, split)
            stored[f"{split}_labels"] = np.array([label for _, label in entries], np.int32)
        return stored, {"classes": classes}

    return cache.arrays(cache.key_of("folder", every, size), decode)


def open_picture(path: Path, size: int) -> np.ndarray:
    """One picture as uint8[size, size, 3]; raises UserError with its path if it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UserError(
                    f"{path} is {image.width} x {image.height} pixels, more than the {MOST_PIXELS:,} allowed."
                )
            image = ImageOps.exif_transpose(image).convert("RGB")
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(image)
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"cannot read the picture {path} ({error}). Replace or remove it.") from error


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


def _pictures(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise UserError(f"the class folder {folder} holds no pictures ({', '.join(SUFFIXES)}). Fill or remove it.")
    return found


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
