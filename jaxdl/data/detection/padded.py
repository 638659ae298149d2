"""Objects of many pictures as arrays of one shape, made when a batch needs them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxdl import rle
from jaxdl.objects import Objects


@dataclass(frozen=True, eq=False)
class PaddedObjects:
    """The objects of N pictures, to be used in place of an array of labels.

    Indexing by a number, a slice or an array of numbers returns arrays, of a number without the first axis:

    - boxes: float32[B, most, 4], (x1, y1, x2, y2) in pixels
    - labels: int32[B, most], 1 + the class, 0 where there is no object to learn from: none, or a crowd
    - masks: uint8[B, most, H, W], 1 within the object, painted at that moment; not there if ``masks`` is false

    objects: of each picture. most: objects that a picture has room for, at least 1. masks: whether they have masks.
    size: (H, W) of all pictures; sizes: int32[N, 2], of each before it was filled up to that. image_ids: of each
    picture, as results name it. category_ids: of each class, as results name it.
    """

    objects: tuple[Objects, ...]
    most: int
    masks: bool
    size: tuple[int, int]
    sizes: np.ndarray
    image_ids: tuple[int | str, ...]
    category_ids: tuple[int | str, ...]

    ndim = 1

    @property
    def shape(self) -> tuple[int]:
        """The number of pictures alone: each has one entry."""
        return (len(self.objects),)

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        chosen = np.arange(len(self))[rows]
        if chosen.ndim == 0:
            return {name: array[0] for name, array in self[[int(chosen)]].items()}
        shape = (len(chosen), self.most)
        found = {
            "boxes": np.zeros((*shape, 4), np.float32),
            "labels": np.zeros(shape, np.int32),
        }
        if self.masks:
            found["masks"] = np.zeros((*shape, *self.size), np.uint8)
        for place, row in enumerate(chosen):
            these = self.objects[row]
            count = len(these)
            found["boxes"][place, :count] = these.boxes
            found["labels"][place, :count] = np.where(these.crowd, 0, these.classes + 1)
            for number, code in enumerate(these.masks or () if self.masks else ()):
                height, width = code["size"]
                found["masks"][place, number, :height, :width] = rle.decode(code)
        return found

    def take(self, rows: Sequence[int] | np.ndarray, axis: int = 0) -> "PaddedObjects":
        """Those rows; as ``numpy.ndarray.take`` along the first axis."""
        if axis != 0:
            raise ValueError(f"pictures can be taken along axis 0 only, got {axis}.")
        return replace(
            self,
            objects=tuple(self.objects[row] for row in rows),
            sizes=self.sizes[rows],
            image_ids=tuple(self.image_ids[row] for row in rows),
        )
