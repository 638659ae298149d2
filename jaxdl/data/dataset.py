"""Images with labels: splits, whole datasets, and their statistics."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from tqdm import tqdm

from jaxdl.errors import UserError
from jaxdl.wording import printable

SAMPLE = 10_000  # pictures left in their files that channel_statistics decodes
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """images: uint8[N, H, W, C]; labels: int32[N], masks uint8[N, H, W], or ``detection.padded.PaddedObjects``. Arrays
    may be memory-mapped and read-only.

    ``streaming.Pictures``, decoded as they are indexed, may stand for the array of images, and
    ``mask_streaming.Decoded`` for that of images or masks.
    names: bytes[N], of the images' files within their folder; None where they are from no files.
    sizes: int32[N, 2], (height, width) of each image before it was filled up to the size of all; None where none was.
    """

    images: np.ndarray
    labels: np.ndarray
    names: np.ndarray | None = None
    sizes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Sequence[int]) -> "Split":
        """A copy of those rows; pictures left in their files stay there."""
        names, sizes = (None if each is None else each[rows] for each in (self.names, self.sizes))
        return Split(self.images.take(rows, axis=0), self.labels.take(rows, axis=0), names, sizes)

    @property
    def files(self) -> list[str] | None:
        """``names`` as they can be printed."""
        return None if self.names is None else [printable(os.fsdecode(bytes(name))) for name in self.names]


@dataclass(frozen=True)
class Dataset:
    """Two splits and their description for reports.

    val: the validation split where the data brings one; else a part of ``train`` is held out.
    source: where the pixels came from, in words.
    fingerprint: SHA-256 over every image and label, the same wherever the same data is read.
    mirrorable: whether a mirrored image keeps its class; no flip augmentation where it does not.
    notice: a warning, to be shown in every result, where this is not the data a person would expect.
    remarks: sentences about what was not read, and what was substituted.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    fingerprint: str
    mirrorable: bool = True
    notice: str | None = None
    remarks: tuple[str, ...] = ()
    val: Split | None = None

    @classmethod
    def of(
        cls,
        name: str,
        stored: Mapping[str, np.ndarray],
        *,
        names: Mapping[str, np.ndarray] = MappingProxyType({}),
        **about: Any,
    ) -> "Dataset":
        """From arrays named ``train_images``, ``train_labels``, ``test_images`` and ``test_labels``, and so of ``val``
        if they are there, with ``train_sizes`` where images were filled up. names: of the images' files, by split."""
        splits = {
            split: Split(
                stored[f"{split}_images"], stored[f"{split}_labels"], names.get(split), stored.get(f"{split}_sizes")
            )
            for split in SPLITS
            if f"{split}_images" in stored
        }
        return cls(name=name, **splits, **about)

    def held_out(self, *, val_size: int, seed: int) -> tuple[Split, Split | None]:
        """Split to train on, and the one that validates, None for a ``val_size`` of 0: ``val`` if there is one, else
        so many examples of ``train``, as ``train_val_split`` holds them out."""
        if self.val is not None:
            return self.train, self.val if val_size else None
        return train_val_split(self.train, val_size=val_size, seed=seed, classes=self.classes)


def train_val_split(
    split: Split, *, val_size: int, seed: int, classes: Sequence[str] = ()
) -> tuple[Split, Split | None]:
    """Splits into two, ``val_size`` examples in the second, the same for the same seed; labels stratified by class,
    masks and objects at random.

    With ``val_size`` 0 the second is None. seed: from 0 to 2**32 - 1. classes: their names, for errors.
    Raises UserError for sizes that leave a class, or a side, without an example.
    """
    if val_size == 0:
        return split, None
    if not 0 <= seed < 2**32:
        raise UserError(f"seed must be from 0 to {2**32 - 1}, got {seed}.")
    if not isinstance(split.labels, np.ndarray) or split.labels.ndim > 1:
        if not 0 < val_size < len(split):
            raise UserError(f"val_size must be from 0 to {len(split) - 1}, got {val_size}.")
        order = np.random.default_rng(seed).permutation(len(split))
        return split.take(np.sort(order[val_size:])), split.take(np.sort(order[:val_size]))
    labels, counts = np.unique(split.labels, return_counts=True)
    if counts.min() < 2:
        label = int(labels[counts.argmin()])
        name = classes[label] if label < len(classes) else label
        raise UserError(
            f"the class {name} has a single example, of which none can be held out for validation. Add more of it, or "
            "hold out none: val_size 0."
        )
    if not len(labels) <= val_size <= len(split) - len(labels):
        raise UserError(
            f"val_size must be 0 or between {len(labels)} and {len(split) - len(labels)} "
            f"(one example a class on each side), got {val_size}."
        )
    from sklearn.model_selection import train_test_split

    train_rows, val_rows = train_test_split(
        np.arange(len(split)), test_size=val_size, stratify=split.labels, random_state=seed
    )
    return split.take(np.sort(train_rows)), split.take(np.sort(val_rows))


def channel_statistics(images: np.ndarray, *, progress: bool = False) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8[N, H, W, C], in [0, 1], from counts.

    Exact for an array; for streamed pictures, over at most SAMPLE of them, evenly spaced from the first to the last,
    always the same.
    progress: show a bar if it takes more than two seconds.
    """
    count = len(images) if isinstance(images, np.ndarray) else min(SAMPLE, len(images))
    rows = np.linspace(0, len(images) - 1, count).astype(np.int64)
    counts = np.zeros((images.shape[-1], 256), np.int64)
    with tqdm(
        total=count, desc="measuring channels", unit="img", delay=2, leave=False, disable=None if progress else True
    ) as bar:
        for start in range(0, count, 256):
            chunk = slice(start, start + 256)
            part = images[chunk if count == len(images) else rows[chunk]]
            for channel in range(len(counts)):
                counts[channel] += np.bincount(part[..., channel].ravel(), minlength=256)
            bar.update(len(part))
    levels = np.arange(256) / 255.0
    means, deviations = [], []
    for share in counts / counts.sum(axis=1, keepdims=True):
        mean = float(share @ levels)
        means.append(mean)
        deviations.append(max(float(share @ (levels - mean) ** 2) ** 0.5, 1e-6))
    return tuple(means), tuple(deviations)


def fingerprint_of(stored: dict[str, np.ndarray]) -> str:
    """SHA-256 over the arrays that ``Dataset.of`` takes, their names, dtypes and shapes."""
    digest = hashlib.sha256()
    for name in ("train_images", "train_labels", "test_images", "test_labels", "val_images", "val_labels"):
        if name not in stored:
            continue
        digest.update(f"{name}{stored[name].dtype.str}{stored[name].shape}".encode())
        digest.update(np.ascontiguousarray(stored[name]).data)
    return digest.hexdigest()
