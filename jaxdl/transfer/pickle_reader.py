"""Reads ``.pth`` and ``.pt`` files, of both formats of ``torch.save``, without PyTorch and without running code."""

from pathlib import Path

import numpy as np

from jaxdl.transfer import archive, legacy, safetensors, state_dicts
from jaxdl.transfer.faults import FileError, faults_of
from jaxdl.transfer.mapping import mapped
from jaxdl.transfer.storages import Storages
from jaxdl.transfer.tensor import Tensor


def read(path: str | Path, key: str | None = None) -> dict[str, np.ndarray]:
    """One state dict's arrays by dotted name, in the file's order; read-only views of the file where it allows them.

    A file may be a state dict, a checkpoint with state dicts in it, or a whole module, whose class need not exist here.
    key: the keys that lead to the state dict, joined by dots: ``"model"``, ``"ema.state_dict"``; the names before a
    part of one, ``"student"``; or ``"raw"`` and ``"ema"`` for the trained weights and their average under any usual
    name. Without it, the state dict with the most elements is taken, the trained weights rather than an average of
    them, but none under a key that begins with ``opt``.
    The prefixes ``module.`` and ``_orig_mod.`` are removed if every name has them.

    Raises UserError for a file that is damaged, not of torch.save, asks to call a function that is not a known part of
    a checkpoint, or holds quantised, sparse or nested tensors; for an unknown ``key``, with those there are, and where
    one is needed.
    """
    path = Path(path)
    with faults_of(path):
        found, storages = opened(path)
        return _arrays(state_dicts.select(found, key), storages)


def read_checkpoint(path: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """Every state dict of a file by its key, as ``read`` has them; ``""`` is the key of the file's own top level."""
    path = Path(path)
    with faults_of(path):
        found, storages = opened(path)
        return {key: _arrays(state_dicts.select(found, key), storages) for key in found}


def opened(path: Path) -> tuple[dict[str, dict[str, Tensor]], Storages]:
    """Every state dict by its keys, its tensors still descriptions, and what turns them into arrays.

    Raises FileError and OSError, which name no file.
    """
    data = mapped(path)
    if safetensors.begins(bytes(data[: safetensors.HEAD])):
        raise FileError("is a safetensors file, which has one state dict and no pickle. load_weights reads it")
    root, storages = archive.read(data) if data[:2] == b"PK" else legacy.read(data)
    return state_dicts.find(root), storages


def _arrays(tensors: dict[str, Tensor], storages: Storages) -> dict[str, np.ndarray]:
    return {name: storages.array(tensor) for name, tensor in tensors.items()}
