"""Loads weights from a file of any known format."""

from pathlib import Path

import numpy as np

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.transfer import pickle_reader, safetensors
from jaxdl.transfer.faults import FileError, faults_of
from jaxdl.transfer.state_dicts import unwrapped


def load_weights(path: str | Path, key: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a ``.pth``, ``.pt`` or ``.safetensors`` file by PyTorch's dotted names, in the file's order.

    The format is detected by the file's first bytes, not its suffix. Arrays are in PyTorch's layout, read-only and
    memory-mapped: the file must not change while they are used.
    key: as in ``pickle_reader.read``; a safetensors file has none.

    Raises UserError as the two readers do, and for a file of neither format.
    """
    path = Path(path)
    with faults_of(path):
        with disk.opened(path) as file:
            head = file.read(safetensors.HEAD)
        if safetensors.begins(head):  # before the others: a header's length may begin with any bytes, theirs too
            if key is not None:
                raise UserError(f"{path} is a safetensors file: it has no key {key!r}. Leave the key out.")
            return unwrapped(safetensors.read(path))
        if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
            return pickle_reader.read(path, key)
        if not head:
            raise FileError("is empty. It was not written to its end, or not fetched")
        raise FileError(
            f"is neither of torch.save nor a safetensors file: it begins with {head!r}. "
            "Git LFS leaves a few lines of text where it did not fetch a file"
        )
