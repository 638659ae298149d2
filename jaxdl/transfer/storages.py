"""The bytes behind tensors, and tensors as arrays."""

from collections.abc import Callable

import numpy as np

from jaxdl.transfer.faults import FileError
from jaxdl.transfer.mapping import aligned
from jaxdl.transfer.tensor import Storage, Tensor

MOST_EXPANDED = 2**28  # elements of tensors that repeat those of their storage (expand): views, which take no memory
MOST_COMPUTED = 2**28  # bytes of tensors that are made from the file's: lazy conjugates and negatives


class Storages:
    """Turns tensors into arrays; what ``load`` gives for a key is asked for once."""

    def __init__(self, load: Callable[[str], memoryview], *, big_endian: bool = False):
        self.load, self.big_endian = load, big_endian
        self.bytes: dict[str, np.ndarray] = {}
        self.widths: dict[str, int] = {}
        self.expanded = self.computed = 0

    def array(self, tensor: Tensor) -> np.ndarray:
        """The tensor's values, read-only: a view of the file where the file allows it.

        Raises FileError where the file stores fewer bytes than it claims, and where tensors that the file does not
        hold element by element come to more than ``MOST_EXPANDED`` or ``MOST_COMPUTED``.
        """
        size = tensor.dtype.itemsize
        if not tensor.elements:
            array = np.empty(tensor.shape, tensor.dtype.newbyteorder("="))
            array.flags.writeable = False
            return array
        if tensor.elements * size > tensor.storage.size:
            self.expanded += tensor.elements
            if self.expanded > MOST_EXPANDED:
                raise FileError(f"its expanded tensors have more than {MOST_EXPANDED:,} elements")
        if tensor.conjugate or tensor.negative:
            self.computed += tensor.elements * size
            if self.computed > MOST_COMPUTED:
                raise FileError(f"its lazy conjugates and negatives have more than {MOST_COMPUTED:,} bytes")
        # An extent of 1 may have any stride; one that NumPy cannot hold must not reach it.
        extents = zip(tensor.shape, tensor.strides, strict=True)
        strides = [stride * size if extent > 1 else 0 for extent, stride in extents]
        begin = tensor.storage.begin + tensor.offset * size
        array = np.ndarray(tensor.shape, tensor.dtype, self._stored(tensor.storage, tensor.dtype), begin, strides)
        if tensor.conjugate or tensor.negative:
            array = np.conjugate(array) if tensor.conjugate else array
            array = np.asarray(np.negative(array) if tensor.negative else array)
            array.flags.writeable = False
        elif not tensor.dtype.isnative:
            self.computed += tensor.elements * size
            if self.computed > MOST_COMPUTED:
                raise FileError(f"its arrays of another byte order have more than {MOST_COMPUTED:,} bytes")
            array = array.astype(tensor.dtype.newbyteorder("="))
            array.flags.writeable = False
        return array

    def _stored(self, storage: Storage, dtype: np.dtype) -> np.ndarray:
        """All that the file has under the storage's key, as bytes: uint8[N]. They hold elements of ``dtype``."""
        if storage.content is not None:
            return np.frombuffer(storage.content, np.uint8)  # of a bytes object, which begins at a multiple of 16
        if storage.key not in self.bytes:
            stored = aligned(self.load(storage.key))
            self.bytes[storage.key] = _swapped(stored, dtype) if self.big_endian else stored
            self.widths[storage.key] = _width(dtype)
        stored = self.bytes[storage.key]
        if storage.begin + storage.size > len(stored) or storage.begin % dtype.itemsize:
            raise FileError(f"it claims {storage.begin + storage.size:,} bytes for a storage of {len(stored):,}")
        if self.big_endian and self.widths[storage.key] != _width(dtype):  # each width would be another copy
            raise FileError("it has one storage with elements of two sizes")
        return stored


def _swapped(stored: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Big-endian elements as this machine has them."""
    size = _width(dtype)
    return stored[: len(stored) // size * size].view(f">u{size}").astype(f"=u{size}").view(np.uint8)


def _width(dtype: np.dtype) -> int:
    """Bytes whose order is turned: a complex number is two."""
    return dtype.itemsize // (2 if dtype.kind == "c" else 1)
