"""Datasets by name. The only file that imports TensorFlow Datasets, and only to prepare or first read CIFAR-10."""

import hashlib
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from jaxdl import places
from jaxdl.data import cache, folder
from jaxdl.data.dataset import Dataset, Split, fingerprint_of, train_val_split
from jaxdl.data.streaming import Pictures
from jaxdl.errors import UserError, unknown
from jaxdl.wording import brief, printable

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_HOST = "https://www.cs.toronto.edu/~kriz/cifar.html"
EXPECTED = "Name the folder in which TFDS prepared cifar10/<version>/, or an empty one to download into."
TFDS_LEAVES = {"cifar10", "downloads"}  # what an unfinished download leaves, to go on from
HOST_PATIENCE = 5.0  # seconds to wait for the host before giving up on a download


class UnavailableError(UserError):
    """The data is not on this machine and could not be downloaded."""


class Request(NamedTuple):
    """Arguments of ``load``, for the source of that name."""

    data_dir: str | Path | None
    offline: bool
    image_size: int
    stream: bool
    progress: bool


def load(
    name: str = "auto",
    data_dir: str | Path | None = None,
    *,
    offline: bool = False,
    image_size: int = 32,
    stream: bool = False,
    progress: bool = False,
) -> Dataset:
    """The dataset of that name.

    ``cifar10``: through TFDS, from ``data_dir`` (default ``$TFDS_DATA_DIR``, else ~/tensorflow_datasets), downloaded
    there if absent. ``digits``: scikit-learn's 1,797 handwritten digits, no network. ``folder``: pictures in
    ``data_dir/train/<class>/`` and ``data_dir/test/<class>/``. ``auto``: CIFAR-10 if it is prepared or can be
    downloaded, else digits, with ``notice`` set.

    offline: never touch the network. image_size: pixels a side, for ``folder`` only.
    stream: for ``folder``, leave the pictures in their files, if memory cannot hold them; nothing is decoded here, and
    the fingerprint covers the files' names, sizes in bytes and labels and ``image_size``, not the pixels.
    Raises UserError for mistakes of the caller; UnavailableError if CIFAR-10 is not here and cannot be downloaded.
    """
    if stream and name != "folder":
        raise UserError(f"only dataset folder can be streamed: {name} has no picture files and fits into memory.")
    if name not in SOURCES:
        raise unknown("dataset", name, SOURCES)
    return SOURCES[name](Request(data_dir, offline, image_size, stream, progress))


def _auto(asked: Request) -> Dataset:
    try:
        return _cifar10(asked)
    except UnavailableError as problem:
        return _digits(asked, notice=f"NOT CIFAR-10: trained on the digits dataset, because {problem}")


def _folder(asked: Request) -> Dataset:
    data_dir, size, stream, progress = asked.data_dir, asked.image_size, asked.stream, asked.progress
    if data_dir is None:
        raise UserError("dataset folder needs data_dir: a folder with train/<class>/*.jpg and test/<class>/*.jpg.")
    root = Path(os.path.expanduser(data_dir))
    if stream:
        return _streamed(root, size)
    stored, listed = folder.read(root, size=size, progress=progress)
    return Dataset.of(
        "folder",
        stored,
        classes=tuple(listed.classes),
        source=f"pictures in {printable(str(root.resolve()))}, resized to {size}x{size}",
        fingerprint=fingerprint_of(stored),
        remarks=tuple(listed.remarks),
    )


def _streamed(root: Path, size: int) -> Dataset:
    listed = folder.listing(root)
    digest = hashlib.sha256(repr(("streamed", size)).encode())
    for split, (names, labels) in listed.splits.items():
        digest.update(split.encode())
        for name, label in zip(names.tolist(), labels.tolist(), strict=True):
            digest.update(b"%s\0%d\0%d\n" % (name, os.stat(os.path.join(os.fsencode(root), name)).st_size, label))
    train, test = (Split(Pictures(root, names, size), labels) for names, labels in listed.splits.values())
    return Dataset(
        name="folder",
        train=train,
        test=test,
        classes=tuple(listed.classes),
        source=f"pictures in {printable(str(root.resolve()))}, read as they are needed, resized to {size}x{size}",
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
    data_dir, offline, progress = asked.data_dir, asked.offline, asked.progress
    given, home = data_dir is not None, places.home()
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or (home and home / "tensorflow_datasets")
    if root is None:
        raise UnavailableError("there is no home folder in which CIFAR-10 could lie. Name a folder with data_dir.")
    root = Path(os.path.expanduser(root))
    prepared = _prepared(root)
    if prepared is None:
        if given and not root.is_dir():
            raise UserError(f"data_dir {root} is not a folder. {EXPECTED}")
        if given and {path.name for path in root.iterdir()} - TFDS_LEAVES:
            pictures = " Its pictures are read with dataset folder." if (root / "train").is_dir() else ""
            raise UserError(f"data_dir {root} holds no prepared CIFAR-10.{pictures or f' {EXPECTED}'}")
        _download(root, offline=offline)
        prepared = _prepared(root)
    files = sorted(prepared.iterdir())
    stored, about = cache.arrays(cache.key_of("cifar10", files), lambda: _decode(prepared, progress))
    return Dataset.of(
        "cifar10",
        stored,
        classes=CIFAR10_CLASSES,
        source=f"TFDS cifar10 {prepared.name}, {prepared.resolve()}",
        fingerprint=about["fingerprint"],
    )


def _prepared(root: Path) -> Path | None:
    """The newest version under ``root/cifar10`` that TFDS finished; its dataset_info.json is written last."""
    found = {
        tuple(map(int, path.parent.name.split("."))): path.parent
        for path in (root / "cifar10").glob("*/dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
    }
    return found[max(found)] if found else None


def _download(root: Path, *, offline: bool) -> None:
    ways = (
        "Use data_dir for data already prepared, dataset folder for your own pictures, "
        "or dataset digits, which needs no network."
    )
    if offline:
        raise UnavailableError(f"CIFAR-10 is not prepared in {root} and offline forbids a download. {ways}")
    if not _answers(CIFAR10_HOST, HOST_PATIENCE):
        raise UnavailableError(
            f"CIFAR-10 is not prepared in {root} and its host did not answer within {HOST_PATIENCE:.0f} s. {ways}"
        )
    import tensorflow_datasets as tfds

    try:
        tfds.builder("cifar10", data_dir=root).download_and_prepare()
    except Exception as error:  # TFDS raises whatever its many layers do
        raise UnavailableError(f"the download of CIFAR-10 into {root} failed ({_said(error)}). {ways}") from error


def _answers(url: str, patience: float) -> bool:
    """Whether the host speaks HTTP within ``patience`` seconds; a thread, because name look-up obeys no timeout."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=patience).close()
            answered.set()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                answered.set()
        except OSError:
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return answered.is_set()


def _decode(prepared: Path, progress: bool) -> tuple[dict[str, np.ndarray], dict]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # also silences its notice; only pictures are decoded
    if progress:
        print(f"Reading CIFAR-10 from {prepared}; later runs start from a cache.", flush=True)
    import tensorflow_datasets as tfds

    stored = {}
    try:
        builder = tfds.builder_from_directory(prepared)
        for split in ("train", "test"):
            total = builder.info.splits[split].num_examples
            images = np.empty((total, 32, 32, 3), np.uint8)
            labels = np.empty(total, np.int32)
            rows = 0
            batches = tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False).batch(1000))
            with tqdm(total=total, desc=f"reading {split}", unit="img", disable=None if progress else True) as bar:
                for batch in batches:
                    count = len(batch["label"])
                    images[rows : rows + count] = batch["image"]
                    labels[rows : rows + count] = batch["label"]
                    rows += count
                    bar.update(count)
            if rows != total:
                raise ValueError(f"{split} holds {rows} examples, not {total}")
            stored |= {f"{split}_images": images, f"{split}_labels": labels}
    except Exception as error:  # TensorFlow's own error classes, whose import is the point of not naming them
        raise UserError(
            f"the prepared CIFAR-10 in {prepared} cannot be read ({_said(error)}). Remove it, or name another data_dir."
        ) from error
    return stored, {"fingerprint": fingerprint_of(stored)}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {brief(error)}"


SOURCES: Mapping[str, Callable[[Request], Dataset]] = MappingProxyType(
    {"auto": _auto, "cifar10": _cifar10, "digits": _digits, "folder": _folder}
)
NAMES = tuple(SOURCES)
