"""Maps of several sizes side by side in one, so that a convolution of all of them is one operation.

A row or a column of zeros lies between any two, as wide as the padding of a 3x3 convolution: it sees each map as if
that were alone, if what it puts between them is set to zero again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

GAP = 1  # places: the padding of a 3x3 convolution


class Packing(NamedTuple):
    """Where the maps lie: size of the whole, (top, left, height, width) of each."""

    size: tuple[int, int]
    places: tuple[tuple[int, int, int, int], ...]

    @property
    def inside(self) -> np.ndarray:
        """bool[1, H, W, 1]: where there is a map."""
        mask = np.zeros((1, *self.size, 1), bool)
        for top, left, height, width in self.places:
            mask[:, top : top + height, left : left + width] = True
        return mask

    def packed(self, maps: Sequence[jax.Array]) -> jax.Array:
        """float[B, h, w, C] each in one of float[B, H, W, C]."""
        whole = jnp.zeros((len(maps[0]), *self.size, maps[0].shape[-1]), maps[0].dtype)
        for each, (top, left, height, width) in zip(maps, self.places, strict=True):
            whole = whole.at[:, top : top + height, left : left + width].set(each)
        return whole

    def unpacked(self, whole: jax.Array) -> list[jax.Array]:
        """The inverse of ``packed``, of any number of channels."""
        return [whole[:, top : top + height, left : left + width] for top, left, height, width in self.places]


def packing(sizes: Sequence[tuple[int, int]]) -> Packing:
    """The first map, the largest, in the upper left, the others one below another to its right. sizes: (h, w) each."""
    (height, width), *others = sizes
    places, top, widest = [(0, 0, height, width)], 0, 0
    for rows, columns in others:
        places.append((top, width + GAP, rows, columns))
        top += rows + GAP
        widest = max(widest, columns)
    whole = max(height, top - GAP), width + GAP + widest if others else width
    return Packing(whole, tuple(places))
