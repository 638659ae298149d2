"""Arrays decoded once and kept on disk; later starts map them into memory and decode nothing."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from jaxdl import disk, places

FORMAT = 3  # raise it when what is stored, or how pictures are decoded, changes
ABOUT = "about.json"


def directory() -> Path:
    """``$JAXDL_CACHE``, else ``jaxdl`` in the user's cache folder."""
    return places.cache("jaxdl", variable="JAXDL_CACHE")


def key_of(name: str, files: Iterable[Path], *settings: object) -> str:
    """A name that changes when any of ``files`` does (path, size or time of change) or a setting does."""
    digest = hashlib.sha256(repr((FORMAT, name, settings)).encode())
    for file in files:
        about = file.stat()
        digest.update(b"%s\0%d\0%d\n" % (os.fsencode(file.resolve()), about.st_size, about.st_mtime_ns))
    return f"{name}-{digest.hexdigest()[:16]}"


def arrays(key: str, read: Callable[[], tuple[dict[str, np.ndarray], dict]]) -> tuple[dict[str, np.ndarray], dict]:
    """Loads what ``read()`` returns, arrays by name and a JSON-able description, from the cache, or fills it.

    Arrays come back memory-mapped and read-only. Each file's checksum is verified at every start: a damaged entry is
    read anew. The folder is flushed to disk and then renamed into place, so that a killed or a second process or a
    power cut never leaves or sees half of it; drafts of killed processes are removed. If the cache cannot be written,
    nothing is raised.
    """
    folder = directory() / key
    disk.tidy(folder.parent)
    found = _open(folder)
    if found is not None:
        return found
    stored, about = read()
    with contextlib.suppress(OSError):
        _store(folder, stored, about)
    return _open(folder) or (stored, about)


def _store(folder: Path, stored: dict[str, np.ndarray], about: dict) -> None:
    with disk.folder(folder) as draft:
        for name, array in stored.items():
            np.save(_file(draft, name), array)
        sums = {name: disk.crc32(_file(draft, name)) for name in stored}
        (draft / ABOUT).write_text(disk.sealed({"about": about, "arrays": sums}))
        _remove(folder)  # only reached when what is there is damaged


def _open(folder: Path) -> tuple[dict[str, np.ndarray], dict] | None:
    try:
        record = disk.unsealed((folder / ABOUT).read_bytes())
        if any(disk.crc32(_file(folder, name)) != crc for name, crc in record["arrays"].items()):
            return None
        stored = {name: np.load(_file(folder, name), mmap_mode="r", allow_pickle=False) for name in record["arrays"]}
        return stored, record["about"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # the last three of what is sealed but no entry
        return None


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"
