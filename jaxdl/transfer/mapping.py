"""A file as bytes that are read from the disk when they are looked at."""

import mmap
from pathlib import Path

import numpy as np

from jaxdl.transfer.faults import FileError


def mapped(path: Path) -> memoryview:
    """The file's bytes, read-only; they stay right for as long as nobody writes to the file.

    Raises FileError for an empty file and OSError for one that cannot be opened.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise FileError("is empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def aligned(data: memoryview, multiple: int = 16) -> np.ndarray:
    """The bytes as uint8[N], copied where they do not begin at such a multiple; the widest elements need 16."""
    stored = np.frombuffer(data, np.uint8)
    if stored.ctypes.data % multiple:
        stored = stored.copy()
        stored.flags.writeable = False
    return stored
