"""Arrays that another library keeps in other pieces or shapes than torchvision, described before they are read."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxdl.transfer.faults import FileError

MOST_ELEMENTS = 2**28  # of one array: a small file can describe tensors beyond memory
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """One of torchvision's arrays made of ``parts`` of another library's, and the inverse.

    shape: of ours, from theirs; None where they do not fit together. ours: of theirs, in order; theirs: of ours, that
    part. Both keep the dtype.
    """

    parts: tuple[int, ...]
    shape: Callable[[Sequence[Shape]], Shape | None]
    ours: Callable[[Sequence[np.ndarray]], np.ndarray]
    theirs: Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Derived:
    """An array in ``layout`` of what has a ``shape``: tensors that a file describes, or arrays."""

    layout: Layout
    parts: tuple[Any, ...]
    shape: Shape

    def array(self, read: Callable[[Any], np.ndarray]) -> np.ndarray:
        """The array, of the parts as ``read`` gives them. Raises FileError for one that no network has."""
        if math.prod(self.shape) > MOST_ELEMENTS:
            raise FileError(f"it has an array of shape {self.shape}, beyond any network's")
        return self.layout.ours([read(part) for part in self.parts])


def of_file(array: Callable[[Any], np.ndarray]) -> Callable[[Any], np.ndarray]:
    """``array``, which reads what a file describes, for what is derived of it too."""
    return lambda held: held.array(array) if isinstance(held, Derived) else array(held)


def _single(
    shape: Callable[[Shape], Shape | None],
    ours: Callable[[np.ndarray], np.ndarray],
    theirs: Callable[[np.ndarray], np.ndarray],
) -> Layout:
    return Layout((0,), lambda shapes: shape(shapes[0]), lambda parts: ours(parts[0]), lambda array, _: theirs(array))


def _thirds(shapes: Sequence[Shape]) -> Shape | None:
    first = shapes[0]
    return (3 * first[0], *first[1:]) if first and all(each == first for each in shapes) else None


def _is_square(count: int) -> bool:
    return math.isqrt(count) ** 2 == count


def _with_class(shape: Shape) -> Shape:
    """A position embedding's, of the class token too: without it, there are as many as a square has patches."""
    alone = len(shape) == 3 and shape[1] > 1 and _is_square(shape[1])
    return (shape[0], shape[1] + 1, shape[2]) if alone else shape


def _class_first(array: np.ndarray) -> np.ndarray:
    missing = _with_class(array.shape) != array.shape
    return np.concatenate([np.zeros_like(array[:, :1]), array], 1) if missing else array


def shifted(by: float) -> Layout:
    """A running variance for an epsilon that is smaller ``by`` so much: the sum of both is the same."""

    def add(array: np.ndarray, by: float) -> np.ndarray:
        return (array.astype(np.float64) + by).astype(array.dtype)

    return _single(lambda shape: shape, lambda array: add(array, by), lambda array: add(array, -by))


LAYOUTS = {
    "column": _single(  # one factor a channel, as [C, 1, 1]
        lambda shape: (*shape, 1, 1), lambda array: array.reshape(-1, 1, 1), lambda array: array.reshape(-1)
    ),
    "linear": _single(  # a linear layer as a 1x1 convolution
        lambda shape: shape[:2] if shape[2:] == (1, 1) else None,
        lambda array: array.reshape(array.shape[:2]),
        lambda array: array.reshape(*array.shape, 1, 1),
    ),
    "flat": _single(lambda shape: (math.prod(shape),), lambda array: array.reshape(-1), lambda array: array),
    "positions": _single(_with_class, _class_first, lambda array: array),
    "patches": _single(_with_class, _class_first, lambda array: array[:, 1:]),  # with no position of the class token
    "thirds": Layout(  # queries, keys and values
        (0, 1, 2), _thirds, np.concatenate, lambda array, part: np.split(array, 3)[part]
    ),
    "no_key": Layout(  # a bias of queries and values alone
        (0, 2),
        _thirds,
        lambda parts: np.concatenate([parts[0], np.zeros_like(parts[0]), parts[1]]),
        lambda array, part: np.split(array, 3)[part],
    ),
}
