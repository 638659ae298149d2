"""Objects in pictures, as their files tell of them and as a detector finds them: numpy, as many as there are."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np


class RLE(TypedDict):
    """A mask as COCO's tools compress it: size: [H, W] of the picture; counts: lengths of runs, column by column."""

    size: list[int]
    counts: bytes


@dataclass(frozen=True)
class Objects:
    """The objects of one picture.

    boxes: float32[M, 4], (x1, y1, x2, y2) in pixels, x1 < x2 and y1 < y2 within the picture.
    classes: int32[M], from 0: their places among the names of the classes.
    crowd: bool[M], a region of several objects, in which nothing is counted as invented; COCO's ``iscrowd``.
    difficult: bool[M], which VOC's measure neither counts as missed nor as found.
    areas: float32[M], in pixels, by which COCO's measure tells small from large: of the mask where there is one.
    masks: of each object, or None where the data has none.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    areas: np.ndarray
    masks: tuple[RLE, ...] | None = None

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Detections:
    """Objects that a detector finds in one picture, the most certain first.

    boxes: float32[K, 4], (x1, y1, x2, y2) in pixels of the picture. classes: int32[K], from 0, as of ``Objects``.
    scores: float32[K] in [0, 1]. masks: of each, or None of a detector without masks.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    masks: tuple[RLE, ...] | None = None

    def __len__(self) -> int:
        return len(self.boxes)
