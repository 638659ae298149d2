"""Arrays decoded once and kept on disk; later starts map them into memory and decode nothing."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

FORMAT = 2  # raise it when what is stored changes


def directory() -> Path:
    """``$JAXDL_CACHE``, else ``jaxdl`` in the user's cache folder."""
    chosen = os.environ.get("JAXDL_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxdl"


def key_of(name: str, files: Iterable[Path], *settings: object) -> str:
    """A name that changes when any of ``files`` does (path, size or time of change) or a setting does."""
    digest = hashlib.sha256(repr((FORMAT, name, settings)).encode())
    for file in files:
        about = file.stat()
        digest.update(f"{file.resolve()}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return f"{name}-{digest.hexdigest()[:16]}"


def arrays(key: str, read: Callable[[], tuple[dict[str, np.ndarray], dict]]) -> tuple[dict[str, np.ndarray], dict]:
    """What ``read()`` returns, arrays by name and a JSON-able description, from the cache if it is there.

    Arrays come back memory-mapped and read-only. The folder appears in one rename, so that a stopped or a second
    process never leaves or sees half of it. A cache that cannot be written costs time, not the run.
    """
    folder = directory() / key
    found = _open(folder)
    if found is not None:
        return found
    stored, about = read()
    with contextlib.suppress(OSError):
        _store(folder, stored, about)
    return _open(folder) or (stored, about)


def _store(folder: Path, stored: dict[str, np.ndarray], about: dict) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for name, array in stored.items():
            np.save(draft / f"{name}.npy", array)
        (draft / "about.json").write_text(json.dumps({"about": about, "arrays": sorted(stored)}))
        shutil.rmtree(folder, ignore_errors=True)  # only reached when what is there cannot be opened
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open(folder: Path) -> tuple[dict[str, np.ndarray], dict] | None:
    try:
        record = json.loads((folder / "about.json").read_text())
        stored = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in record["arrays"]}
        return stored, record["about"]
    except (OSError, ValueError, KeyError):
        return None
