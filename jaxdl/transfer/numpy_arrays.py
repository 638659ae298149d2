"""NumPy's arrays and dtypes as a pickle has them: the bytes that it holds, checked against the shape."""

import math
import re
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from jaxdl.transfer.faults import FileError
from jaxdl.transfer.records import Global
from jaxdl.transfer.tensor import MOST_DIMENSIONS, Storage, Tensor, counts, tensor

PLAIN = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")
OTHERS = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")


@dataclass(eq=False, slots=True)
class Dtype:
    """``numpy.dtype(code)``, and what was set on it: its byte order."""

    code: Any
    order: str = "="

    def set(self, state: Any) -> None:
        """Takes the state that NumPy sets: (version, byte order, ...)."""
        if isinstance(state, tuple) and len(state) > 1 and isinstance(state[1], str) and state[1] in ("<", ">", "="):
            self.order = state[1]

    def plain(self) -> np.dtype | None:
        """The dtype if it is one of numbers; None of objects, text, times and records, which no array is made of."""
        if isinstance(self.code, str) and PLAIN.fullmatch(self.code):
            dtype = np.dtype(self.code)
            return dtype if self.order == "=" else dtype.newbyteorder(self.order)
        name = self.code.name.removeprefix("ml_dtypes.") if isinstance(self.code, Global) else None
        return np.dtype(getattr(ml_dtypes, name)) if name in OTHERS and self.order != ">" else None


@dataclass(eq=False, slots=True)
class Array:
    """An array, once it was set; ``tensor`` is None before, and of an array of anything but numbers."""

    tensor: Tensor | None = None

    def set(self, state: Any) -> None:
        """Takes the state that NumPy sets: (version, shape, dtype, by columns, bytes), or all but it."""
        if isinstance(state, tuple) and len(state) in (4, 5):  # a subclass may have others
            shape, dtype, by_columns, content = state[-4:]
            self.tensor = _view(content, dtype, shape, by_columns=by_columns is True)


def from_buffer(content: Any, dtype: Any, shape: Any, order: Any = "C", axes: Any = None) -> Array:
    """``numpy._core.numeric._frombuffer``; axes: the order in which the axes of ``shape`` become the array's."""
    found = _view(content, dtype, shape, by_columns=order == "F")
    if found is None or axes is None:
        return Array(found)
    if not isinstance(axes, tuple) or not counts(*axes) or sorted(axes) != list(range(len(found.shape))):
        raise FileError("it has an array with an order of axes that is none")
    shape, strides = (tuple(each[axis] for axis in axes) for each in (found.shape, found.strides))
    return Array(tensor(found.storage, 0, shape, strides))


def _view(content: Any, dtype: Any, shape: Any, *, by_columns: bool) -> Tensor | None:
    plain = dtype.plain() if isinstance(dtype, Dtype) else None
    if plain is None:
        return None
    if not isinstance(content, bytes) or not isinstance(shape, tuple):
        raise FileError("it describes an array by something else than bytes and a shape")
    if len(shape) > MOST_DIMENSIONS or not counts(*shape):
        raise FileError("it has an array with a negative, fractional or missing size")
    elements = math.prod(shape)
    if elements * plain.itemsize != len(content):
        raise FileError(f"it has an array that needs {elements * plain.itemsize:,} bytes and has {len(content):,}")
    strides = [math.prod(shape[:axis] if by_columns else shape[axis + 1 :]) for axis in range(len(shape))]
    held = Storage("", plain, 0, len(content), content)
    return tensor(held, 0, shape, tuple(strides) if elements else (0,) * len(shape))
