"""The weight files that torchvision publishes for models of ours: found on this machine, or downloaded."""

import functools
import hashlib
import os
from pathlib import Path

from jaxdl import places
from jaxdl.download import DownloadError, download, has_hash
from jaxdl.errors import UserError, unknown
from jaxdl.transfer.faults import faults_of
from jaxdl.transfer.published import PUBLISHED, SEGMENTERS, Published

BASE = "https://download.pytorch.org/models/"


def published_as(path: Path, name: str) -> Published | None:
    """Which of the files that torchvision publishes for the model of that name this is, wherever it lies; None if none.

    Raises UserError where it cannot be read.
    """
    if (files := _files_of(name)) is None:
        return None
    digest = _digest(path)
    return next((each for each in files if digest.startswith(each.sha256_prefix)), None)


def network_of(path: Path) -> str | None:
    """The model for which torchvision publishes this file, wherever it lies; None if it is none of theirs.

    Raises UserError where it cannot be read.
    """
    digest = _digest(path)
    theirs = ((name, each) for table in (PUBLISHED, SEGMENTERS) for name, files in table.items() for each in files)
    return next((name for name, each in theirs if digest.startswith(each.sha256_prefix)), None)


def torchvision_weights(
    name: str, *, folder: str | Path | None = None, offline: bool = False, progress: bool = False
) -> Path:
    """The file with torchvision's best weights for the model of that name, for ``load_weights``.

    Searched in ``folder``, then in PyTorch's own download folder, else downloaded to ``folder``. Its hash is always
    verified.

    folder: default ``weights`` in ``$JAXDL_CACHE``, else in ``jaxdl`` in the user's cache folder. offline: never touch
    the network. progress: show a bar of bytes on a terminal.
    Raises UserError for a name that torchvision has no file for, for a file with another hash and for a folder that
    cannot be written; DownloadError if the file is not here and cannot be downloaded.
    """
    if (files := _files_of(name)) is None:
        raise unknown("torchvision model", name, PUBLISHED)
    file, sha256_prefix = files[0].file, files[0].sha256_prefix
    url = f"{BASE}{file}"
    path = (_folder() if folder is None else Path(os.path.expanduser(folder))) / file
    for found in (path, _torch_folder() / file):
        with faults_of(found):
            if not found.is_file():
                continue
            if not has_hash(found, sha256_prefix):
                raise UserError(f"{found} is damaged: its SHA-256 does not begin with {sha256_prefix}. Remove it.")
            return found
    if offline:
        raise DownloadError(
            f"torchvision's weights for {name} are not in {path.parent} and offline forbids a download. "
            f"Fetch {url} elsewhere and put it there."
        )
    try:
        download(url, path, sha256_prefix=sha256_prefix, progress=progress)
    except DownloadError as problem:
        raise DownloadError(f"{problem}\nOr fetch {url} elsewhere and put it into {path.parent}.") from problem
    return path


def _files_of(name: str) -> tuple[Published, ...] | None:
    return PUBLISHED.get(name) or SEGMENTERS.get(name)


def _digest(path: Path) -> str:
    with faults_of(path):
        about = path.stat()
        return _sha256(path.resolve(), about.st_size, about.st_mtime_ns)


@functools.cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Of the file as it is while neither its size nor its time of change is another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    return places.cache("jaxdl", variable="JAXDL_CACHE") / "weights"


def _torch_folder() -> Path:
    """Folder that ``torch.hub`` downloads into."""
    return places.cache("torch", variable="TORCH_HOME") / "hub" / "checkpoints"
