"""Weights in several files, as ``transformers`` writes large ones: ``*.index.json`` names the file of each array."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from jaxdl import disk
from jaxdl.transfer.faults import FileError
from jaxdl.wording import shown

SUFFIX = ".index.json"
MOST_BYTES = 10_000_000  # of an index
MOST_FILES = 1000


def read(path: Path, load: Callable[[Path], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of all files that the index names, which lie in its folder, by name in its order.

    load: gives a file's arrays by name. Raises FileError for an index that is none, that names a file in another
    folder, or an array that its file lacks.
    """
    with disk.opened(path) as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise FileError(f"is an index of more than {MOST_BYTES:,} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise FileError("is not the JSON of an index of weights") from None
    names = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise FileError("is no index of weights: it has no weight_map from names to files")
    files = dict.fromkeys(names.values())
    if len(files) > MOST_FILES:
        raise FileError(f"names {len(files):,} files, more than {MOST_FILES:,}")
    for name in files:
        if name in ("", ".", "..") or name != Path(name).name or "\0" in name or name.endswith(SUFFIX):
            raise FileError(f"names the file {shown(name)}, which is none beside it")
    shards = {name: load(path.parent / name) for name in files}
    for name, file in names.items():
        if name not in shards[file]:
            raise FileError(f"says that {shown(name)} is in {shown(file)}, which lacks it")
    return {name: shards[file][name] for name, file in names.items()}
