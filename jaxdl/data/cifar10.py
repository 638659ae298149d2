"""CIFAR-10 as TFDS prepares it, or, where there is no TensorFlow, from the archive that it prepares it from.

The only file that imports TensorFlow Datasets, and only to prepare or first read it.
"""

import importlib.util
import os
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl import places
from jaxdl.data import cache, cifar10_archive
from jaxdl.data.dataset import Dataset, fingerprint_of
from jaxdl.download import DownloadError, download
from jaxdl.errors import UserError
from jaxdl.wording import brief

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HOST = "https://www.cs.toronto.edu/~kriz/cifar.html"
EXPECTED = (
    f"Name the folder in which TFDS prepared cifar10/<version>/, one with {cifar10_archive.NAME}, "
    "or an empty one to download into."
)
LEAVINGS = {"cifar10", "downloads", f"{cifar10_archive.NAME}.part"}  # of an unfinished download, to go on from
HOST_PATIENCE = 5.0  # seconds to wait for the host before giving up on a download


class UnavailableError(UserError):
    """The data is not on this machine and could not be downloaded."""


def load(data_dir: str | Path | None, *, offline: bool, progress: bool) -> Dataset:
    """CIFAR-10 from ``data_dir``, downloaded there if absent; as ``jaxdl.data.sources.load``."""
    given, home = data_dir is not None, places.home()
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or (home and home / "tensorflow_datasets")
    if root is None:
        raise UnavailableError("there is no home folder in which CIFAR-10 could lie. Name a folder with data_dir.")
    root = Path(os.path.expanduser(root))
    archive = root / cifar10_archive.NAME
    prepared = _prepared(root)
    if prepared is None and not archive.is_file():
        if given and not root.is_dir():
            raise UserError(f"data_dir {root} is not a folder. {EXPECTED}")
        if given and {path.name for path in root.iterdir()} - LEAVINGS:
            pictures = " Its pictures are read with dataset folder." if (root / "train").is_dir() else ""
            raise UserError(f"data_dir {root} holds no prepared CIFAR-10.{pictures or f' {EXPECTED}'}")
        _download(root, offline=offline, progress=progress)
        prepared = _prepared(root)
    if prepared is not None:
        source = f"TFDS cifar10 {prepared.name}, {prepared.resolve()}"
        key, read = cache.key_of("cifar10", sorted(prepared.iterdir())), lambda: _decode(prepared, progress)
    else:
        source = f"the published archive, {archive.resolve()}"
        key, read = cache.key_of("cifar10-archive", [archive]), lambda: _unpack(archive, progress)
    stored, about = cache.arrays(key, read)
    return Dataset.of("cifar10", stored, classes=CLASSES, source=source, fingerprint=about["fingerprint"])


def has_tensorflow() -> bool:
    """Whether TFDS can prepare and read here, for which it needs TensorFlow; neither is imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("tensorflow", "tensorflow_datasets"))


def _prepared(root: Path) -> Path | None:
    """The newest version under ``root/cifar10`` that TFDS finished; its dataset_info.json is written last."""
    found = {
        tuple(map(int, path.parent.name.split("."))): path.parent
        for path in (root / "cifar10").glob("*/dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
    }
    return found[max(found)] if found else None


def _download(root: Path, *, offline: bool, progress: bool) -> None:
    ways = (
        "Use data_dir for data already prepared, dataset folder for your own pictures, "
        "or dataset digits, which needs no network."
    )
    if offline:
        raise UnavailableError(f"CIFAR-10 is not prepared in {root} and offline forbids a download. {ways}")
    if not _answers(HOST, HOST_PATIENCE):
        raise UnavailableError(f"CIFAR-10 is not prepared in {root} and its host did not answer. {ways}")
    failed = f"the download of CIFAR-10 into {root} failed"
    if not has_tensorflow():
        try:
            download(
                cifar10_archive.URL,
                root / cifar10_archive.NAME,
                sha256_prefix=cifar10_archive.SHA256,
                progress=progress,
            )
        except DownloadError as error:
            raise UnavailableError(f"{failed} ({brief(error)}). {ways}") from error
        return
    import tensorflow_datasets as tfds

    try:
        tfds.builder("cifar10", data_dir=root).download_and_prepare()
    except Exception as error:  # TFDS raises whatever its many layers do
        raise UnavailableError(f"{failed} ({_said(error)}). {ways}") from error


def _answers(url: str, patience: float) -> bool:
    """Whether the host speaks HTTP within ``patience`` seconds; a thread, because name look-up obeys no timeout."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=patience).close()
            answered.set()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:
                answered.set()
        except OSError:
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return answered.is_set()


def _decode(prepared: Path, progress: bool) -> tuple[dict[str, np.ndarray], dict]:
    if not has_tensorflow():
        raise UserError(
            f"the CIFAR-10 in {prepared} was prepared by TFDS, which reads it through TensorFlow, and that is not "
            f"installed. Install it, or name with data_dir an empty folder, or one with {cifar10_archive.NAME}."
        )
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


def _unpack(archive: Path, progress: bool) -> tuple[dict[str, np.ndarray], dict]:
    if progress:
        print(f"Reading CIFAR-10 from {archive}; later runs start from a cache.", flush=True)
    stored = cifar10_archive.read(archive)
    return stored, {"fingerprint": fingerprint_of(stored)}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {brief(error)}"
