"""Detections as a run keeps them: of each picture, in its own pixels, on the host."""

from functools import cache, partial

import jax
import numpy as np

from jaxdl import rle
from jaxdl.data.dataset import Split
from jaxdl.detection.image_list import Detected
from jaxdl.detection.inference import MASK_THRESHOLD
from jaxdl.detection.mask_pasting import paste_masks
from jaxdl.detection.resizing import sizes_within
from jaxdl.objects import RLE, Detections
from jaxdl.run.detection.config import DetectionConfig
from jaxdl.run.detection.inputs import limits_of


def found_in(found: Detected, split: Split, config: DetectionConfig) -> list[Detections]:
    """Detections in each picture of ``split``, of those in a batch's pixels."""
    return detections_of(found, split.sizes, sizes_within(split.sizes, **limits_of(config)))


def detections_of(found: Detected, sizes: np.ndarray, seen: np.ndarray) -> list[Detections]:
    """Detections in each picture. sizes, seen: int32[N, 2], of the pictures, and as the network saw them."""
    several = []
    ratio = sizes.astype(np.float32) / seen.astype(np.float32)
    for row, size in enumerate(sizes.tolist()):
        there = found.valid[row] & (found.labels[row] > 0)  # RetinaNet has the background among its classes
        boxes = found.boxes[row][there] * np.tile(ratio[row, ::-1], 2)
        masks = None if found.masks is None else _masks(found.masks[row], boxes, there, size)
        several.append(Detections(boxes, found.labels[row][there] - 1, found.scores[row][there], masks))
    return several


def _masks(grids: np.ndarray, boxes: np.ndarray, there: np.ndarray, size: tuple[int, int]) -> tuple[RLE, ...]:
    """Masks of the detections in a picture of that size, from those of a grid over each box."""
    if not there.any():
        return ()
    padded, those = np.zeros((len(there), 4), np.float32), np.zeros_like(grids)
    padded[: len(boxes)], those[: len(boxes)] = boxes, grids[there]
    pasted = np.asarray(_paste(tuple(size))(those, padded)) >= MASK_THRESHOLD
    return tuple(rle.encode(mask) for mask in pasted[: len(boxes)])


@cache
def _paste(size: tuple[int, int]):
    return jax.jit(partial(paste_masks, size=size))
