"""A tensor as the file describes it: a view of a storage, checked against the storage's size."""

import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from jaxdl.transfer.faults import FileError
from jaxdl.wording import shown

MOST_DIMENSIONS = 64
DTYPES = {
    "bool": np.dtype(np.bool_),
    "uint8": np.dtype(np.uint8),
    "int8": np.dtype(np.int8),
    "uint16": np.dtype(np.uint16),
    "int16": np.dtype(np.int16),
    "uint32": np.dtype(np.uint32),
    "int32": np.dtype(np.int32),
    "uint64": np.dtype(np.uint64),
    "int64": np.dtype(np.int64),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "float8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "float8_e8m0fnu": np.dtype(ml_dtypes.float8_e8m0fnu),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "complex64": np.dtype(np.complex64),
    "complex128": np.dtype(np.complex128),
}
STORAGES = {
    "BoolStorage": DTYPES["bool"],
    "ByteStorage": DTYPES["uint8"],
    "CharStorage": DTYPES["int8"],
    "ShortStorage": DTYPES["int16"],
    "IntStorage": DTYPES["int32"],
    "LongStorage": DTYPES["int64"],
    "HalfStorage": DTYPES["float16"],
    "BFloat16Storage": DTYPES["bfloat16"],
    "FloatStorage": DTYPES["float32"],
    "DoubleStorage": DTYPES["float64"],
    "ComplexFloatStorage": DTYPES["complex64"],
    "ComplexDoubleStorage": DTYPES["complex128"],
    "UntypedStorage": DTYPES["uint8"],
}


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """``size`` bytes from ``begin`` on of what the file stores under ``key``, as elements of ``dtype``.

    content: those bytes where the pickle itself holds them, as it does of NumPy's arrays.
    """

    key: str
    dtype: np.dtype
    begin: int
    size: int
    content: bytes | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """Elements of a storage; ``offset`` and ``strides`` count elements."""

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    conjugate: bool
    negative: bool

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def storage(kind: str, key: Any, elements: Any, view: Any = None) -> Storage:
    """A storage from its persistent id; ``kind`` is PyTorch's name of the class, ``torch.cuda.FloatStorage``.

    view: (key, first element, elements), which PyTorch wrote before 0.4 for a storage that is part of another.
    """
    package, _, name = kind.rpartition(".")
    if package.split(".")[0] != "torch" or name not in STORAGES:
        raise FileError(f"it stores a tensor as {shown(kind)}, a kind that has no counterpart in NumPy")
    dtype, first = STORAGES[name], 0
    if view is not None:
        if not isinstance(view, tuple) or len(view) != 3:
            raise FileError("it describes a part of a storage by something else than three values")
        whole, (_, first, elements) = elements, view
        if not counts(whole, first, elements) or first + elements > whole:
            raise FileError("it has a storage that reaches out of the one it is part of")
    if not isinstance(key, str) or not counts(elements):
        raise FileError("it names a storage by something else than a key and a size")
    return Storage(key, dtype, first * dtype.itemsize, elements * dtype.itemsize)


def tensor(of: Any, offset: Any, shape: Any, strides: Any, dtype: np.dtype | None = None, bits: Any = None) -> Tensor:
    """A tensor, whose every element lies inside its storage. ``bits`` may set ``conj`` and ``neg``."""
    if not isinstance(of, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise FileError("it describes a tensor by something else than a storage, an offset, a shape and strides")
    if len(shape) != len(strides) or len(shape) > MOST_DIMENSIONS or not counts(offset, *shape, *strides):
        raise FileError("it has a tensor with a negative, fractional or missing size")
    dtype = of.dtype if dtype is None else dtype
    bits = bits if isinstance(bits, dict) else {}
    conjugate, negative = bits.get("conj") is True, bits.get("neg") is True
    if (conjugate or negative) and dtype.name not in ("float32", "float64", "complex64", "complex128"):
        raise FileError(f"it has a tensor of {dtype} marked as a complex number's part")
    if math.prod(size for size in shape if size) >= 2**59:
        raise FileError("it has a tensor with a shape beyond all memory")
    if math.prod(shape):
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if (last + 1) * dtype.itemsize > of.size:
            raise FileError(f"it has a tensor of element {last:,} in a storage of {of.size // dtype.itemsize:,}")
    return Tensor(of, dtype, offset, shape, strides, conjugate, negative)


def counts(*values: Any) -> bool:
    """Whether all are whole numbers that a file's sizes can be."""
    return all(type(value) is int and 0 <= value < 2**62 for value in values)
