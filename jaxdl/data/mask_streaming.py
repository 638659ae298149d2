"""Pictures with masks that stay in their files, decoded when a batch needs them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data import decoding


def mirrored(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8[*size, C]: ``pixels``, uint8[h, w, C], in the upper left, continued as in a mirror at each edge.

    So a network that averages over the whole picture finds the mean of the picture itself, or nearly.
    """
    below, right = (to - side for to, side in zip(size, pixels.shape, strict=False))
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), "symmetric") if below or right else pixels


def within(images: "np.ndarray | Decoded", size: tuple[int, int]) -> "np.ndarray | Decoded":
    """[N, *size, ...]: the upper left of images or masks, from their files too."""
    if isinstance(images, Decoded):
        return replace(images, shape_of_one=(*size, *images.shape_of_one[2:]))
    return images[:, : size[0], : size[1]]


@dataclass(frozen=True, eq=False)
class Decoded:
    """To be used in place of the array uint8[N, *shape] that the files decode to.

    Indexing by a number, a slice or an array of numbers decodes those alone, by a thread a core, and returns an array.
    Raises UserError for files that cannot be read, naming all.

    files: one or more of each row. shape_of_one: of a row's array. read: (files of a row) -> uint8[h, w, ...], which
    lies in the upper left of it. fill: of the rest; None where it is ``mirrored``.
    """

    files: Sequence[tuple[Path, ...]]
    shape_of_one: tuple[int, ...]
    read: Callable[[tuple[Path, ...]], np.ndarray]
    fill: int | None

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array that the files decode to."""
        return (len(self.files), *self.shape_of_one)

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        chosen = np.arange(len(self))[rows]
        if chosen.ndim == 0:
            return self[[int(chosen)]][0]
        found = np.full((len(chosen), *self.shape_of_one), self.fill or 0, np.uint8)

        def decode(place: int) -> None:
            pixels = self.read(self.files[chosen[place]])
            if self.fill is None:
                pixels = mirrored(pixels, self.shape_of_one[:2])
            found[place, : pixels.shape[0], : pixels.shape[1]] = pixels

        refused, _ = decoding.refused_of(decode, len(chosen))
        if refused:
            raise decoding.UnreadableError.of(refused)
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def take(self, rows: Sequence[int] | np.ndarray, axis: int = 0) -> "Decoded":
        """Those rows, still in their files; as ``numpy.ndarray.take`` along the first axis."""
        if axis != 0:
            raise ValueError(f"files can be taken along axis 0 only, got {axis}.")
        return replace(self, files=[self.files[row] for row in rows])
