"""Loads weights from a file of any known format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl import disk
from jaxdl.transfer import pickle_reader, safetensors, sharded, state_dicts
from jaxdl.transfer.choice import Choice
from jaxdl.transfer.faults import FileError, faults_of
from jaxdl.transfer.libraries.derived import of_file
from jaxdl.transfer.libraries.translation import translated

OTHERS = {  # by their first bytes
    b"version ": "it is a pointer that Git LFS left in the place of one. Fetch the file itself: git lfs pull",
    b"<": "it is a web page, or XML. Download the file itself, not the page about it",
    b"{": "it is JSON. Of weights in several files, name the one whose name ends in .index.json",
    b"\x1f\x8b": "it is packed by gzip. Unpack it first",
    b"\x93NUMPY": "it is an array of NumPy's. Save a dict of arrays by their names with safetensors",
    b"\x89HDF": "it is HDF5, as Keras writes it. Save the weights from there with safetensors",
}


@dataclass(frozen=True)
class Contents:
    """A file's state dicts by the keys that lead to them, ``""`` for the file itself; tensors may be descriptions.

    key: what was asked for, see ``contents``. library: the one whose names some have in the file, see ``libraries``.
    """

    path: Path
    key: str | None
    dicts: Mapping[str, Mapping[str, Any]]
    array: Callable[[Any], np.ndarray]
    library: str | None = None

    def arrays(self, choice: Choice) -> dict[str, np.ndarray]:
        """The arrays of the choice by the network's names, and those under its prefix that the network lacks."""
        given = self.dicts[choice.keys]
        names = {**choice.placement.unused, **choice.placement.names}
        with faults_of(self.path):
            return {ours: self.array(given[theirs]) for ours, theirs in names.items()}


def load_weights(path: str | Path, key: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a ``.pth``, ``.pt`` or ``.safetensors`` file by PyTorch's dotted names, in the file's order.

    The format is detected by the file's first bytes, not its suffix; ``*.index.json`` beside its shards is read too.
    Arrays are in PyTorch's layout, read-only and memory-mapped: the file must not change while they are used.
    key: as in ``pickle_reader.read``.

    Raises UserError as the two readers do, and for a file of neither format.
    """
    path = Path(path)
    with faults_of(path):
        dicts, array = _opened(path)
        return {name: array(held) for name, held in state_dicts.select(dicts, key).items()}


def contents(path: str | Path, key: str | None = None, *, translate: bool = True) -> Contents:
    """All state dicts of the file but optimizers', or those that ``key`` means, for ``conversion.located``.

    translate: whether timm's and transformers' are brought to torchvision's names and layouts.

    Raises UserError as ``load_weights`` does, but where there are several.
    """
    path = Path(path)
    with faults_of(path):
        dicts, array = _opened(path)
        given = state_dicts.relevant(dicts, key)
        found = {keys: translated(held) if translate else (held, None) for keys, held in given.items()}
    library = next((library for _, library in found.values() if library), None)
    return Contents(path, key, {keys: given for keys, (given, _) in found.items()}, of_file(array), library)


def _opened(path: Path) -> tuple[dict[str, dict[str, Any]], Callable[[Any], np.ndarray]]:
    with disk.opened(path) as file:
        head = file.read(safetensors.HEAD)
    if safetensors.begins(head):  # before the others: a header's length may begin with any bytes, theirs too
        return {"": safetensors.read(path)}, np.asarray
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        found, storages = pickle_reader.opened(path)
        return found, storages.array
    if head[:1].strip() in (b"{", b"") and path.name.endswith(sharded.SUFFIX):
        return {"": sharded.read(path, lambda shard: load_weights(shard))}, np.asarray
    if not head:
        raise FileError("is empty. It was not written to its end, or not fetched")
    kind = next((said for start, said in OTHERS.items() if head.lstrip().startswith(start)), f"it begins with {head!r}")
    raise FileError(f"is neither of torch.save nor a safetensors file: {kind}")
