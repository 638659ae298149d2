"""Datasets by name."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jaxdl.data import cifar10, folder
from jaxdl.data.dataset import Dataset, Split, fingerprint_of, train_val_split
from jaxdl.data.framing import STRETCHED, Framing
from jaxdl.data.streaming import Pictures
from jaxdl.errors import UserError, unknown
from jaxdl.wording import printable

UnavailableError = cifar10.UnavailableError


class Request(NamedTuple):
    """Arguments of ``load``, for the source of that name."""

    data_dir: str | Path | None
    offline: bool
    framing: Framing
    stream: bool
    progress: bool


def load(
    name: str = "auto",
    data_dir: str | Path | None = None,
    *,
    offline: bool = False,
    image_size: int = 32,
    resize: int = STRETCHED,
    interpolation: str = "bilinear",
    stream: bool = False,
    progress: bool = False,
) -> Dataset:
    """The dataset of that name.

    ``cifar10``: through TFDS, from ``data_dir`` (default ``$TFDS_DATA_DIR``, else ~/tensorflow_datasets), downloaded
    there if absent; without TensorFlow, from the published archive. ``digits``: scikit-learn's 1,797 handwritten
    digits, no network. ``folder``: pictures in ``data_dir/train/<class>/`` and ``data_dir/test/<class>/``. ``auto``:
    CIFAR-10 if it is there or can be downloaded, else digits, with ``notice`` set.

    offline: never touch the network. image_size: pixels a side, for ``folder`` only, as are resize and interpolation:
    how pictures are brought to it, see ``framing.Framing``.
    stream: for ``folder``, leave the pictures in their files, if memory cannot hold them; nothing is decoded here, and
    the fingerprint covers the files' names, sizes in bytes and labels and the framing, not the pixels.
    Raises UserError for mistakes of the caller; UnavailableError if CIFAR-10 is not here and cannot be downloaded.
    """
    if stream and name != "folder":
        raise UserError(f"only dataset folder can be streamed: {name} has no picture files and fits into memory.")
    if name not in SOURCES:
        raise unknown("dataset", name, SOURCES)
    framing = Framing(image_size, resize, interpolation).checked()
    return SOURCES[name](Request(data_dir, offline, framing, stream, progress))


def _auto(asked: Request) -> Dataset:
    try:
        return _cifar10(asked)
    except UnavailableError as problem:
        return _digits(asked, notice=f"NOT CIFAR-10: trained on the digits dataset, because {problem}")


def _folder(asked: Request) -> Dataset:
    data_dir, framing, stream, progress = asked.data_dir, asked.framing, asked.stream, asked.progress
    if data_dir is None:
        raise UserError("dataset folder needs data_dir: a folder with train/<class>/*.jpg and test/<class>/*.jpg.")
    root = Path(os.path.expanduser(data_dir))
    if stream:
        return _streamed(root, framing)
    stored, listed = folder.read(root, framing, progress=progress)
    return Dataset.of(
        "folder",
        stored,
        names={split: names for split, (names, _) in listed.splits.items()},
        classes=tuple(listed.classes),
        source=f"pictures in {printable(str(root.resolve()))}, {framing}",
        fingerprint=fingerprint_of(stored),
        remarks=tuple(listed.remarks),
    )


def _streamed(root: Path, framing: Framing) -> Dataset:
    listed = folder.listing(root)
    settings = (framing.size,) if framing == Framing(framing.size) else framing
    digest = hashlib.sha256(repr(("streamed", *settings)).encode())
    for split, (names, labels) in listed.splits.items():
        digest.update(split.encode())
        for name, label in zip(names.tolist(), labels.tolist(), strict=True):
            digest.update(b"%s\0%d\0%d\n" % (name, os.stat(os.path.join(os.fsencode(root), name)).st_size, label))
    train, test = (Split(Pictures(root, names, framing), labels, names) for names, labels in listed.splits.values())
    return Dataset(
        name="folder",
        train=train,
        test=test,
        classes=tuple(listed.classes),
        source=f"pictures in {printable(str(root.resolve()))}, read as they are needed, {framing}",
        fingerprint=digest.hexdigest(),
        remarks=tuple(listed.remarks),
    )


def _digits(asked: Request, notice: str | None = None) -> Dataset:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    small = np.rint(bundle.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(small.repeat(4, axis=1).repeat(4, axis=2)[..., None], 3, axis=-1)
    whole = Split(images, bundle.target.astype(np.int32))
    train, test = train_val_split(whole, val_size=360, seed=0)
    stored = {
        "train_images": train.images,
        "train_labels": train.labels,
        "test_images": test.images,
        "test_labels": test.labels,
    }
    return Dataset.of(
        "digits",
        stored,
        classes=tuple(str(digit) for digit in range(10)),
        source="scikit-learn's bundled 8x8 digits, enlarged to 32x32x3; 1,437 to train, 360 to test",
        fingerprint=fingerprint_of(stored),
        mirrorable=False,
        notice=notice,
    )


def _cifar10(asked: Request) -> Dataset:
    return cifar10.load(asked.data_dir, offline=asked.offline, progress=asked.progress)


SOURCES: Mapping[str, Callable[[Request], Dataset]] = MappingProxyType(
    {"auto": _auto, "cifar10": _cifar10, "digits": _digits, "folder": _folder}
)
NAMES = tuple(SOURCES)
