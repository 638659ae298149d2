"""Memory-mapped files."""

import mmap
from pathlib import Path

import numpy as np

from jaxdl.transfer.faults import FileError


def mapped(path: Path) -> memoryview:
    """Memory-maps the file read-only; the bytes stay valid as long as nobody writes to the file.

    Raises FileError for an empty file and OSError for one that cannot be opened.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise FileError("is empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def aligned(data: memoryview, multiple: int = 16) -> np.ndarray:
    """The bytes as uint8[N], copied if their address is not a multiple of ``multiple``; the widest elements need 16."""
    stored = np.frombuffer(data, np.uint8)
    if stored.ctypes.data % multiple:
        stored = stored.copy()
        stored.flags.writeable = False
    return stored
