"""Anchors: boxes of a few sizes and shapes at every place of a network's maps, from which objects' boxes are told."""

from collections.abc import Sequence

import numpy as np


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """Anchors around (0, 0): float32[len(ratios) * len(sizes), 4], the ratios' first, in whole pixels.

    sizes: square roots of their areas, in pixels. ratios: heights over widths. torchvision's ``generate_anchors``.
    """
    heights = np.sqrt(np.asarray(ratios, np.float32))
    widths = 1 / heights
    sides = np.stack(
        [(each[:, None] * np.asarray(sizes, np.float32)[None]).reshape(-1) for each in (widths, heights)], axis=-1
    )
    return np.round(np.concatenate([-sides, sides], axis=-1) / 2)


def grid_anchors(
    maps: Sequence[tuple[int, int]],
    image: tuple[int, int],
    *,
    sizes: Sequence[Sequence[float]],
    ratios: Sequence[float] = (0.5, 1.0, 2.0),
) -> list[np.ndarray]:
    """Anchors of each map, float32[h * w * A, 4]: place by place, row by row.

    maps: (h, w) of each. image: (H, W) of the pictures that the maps are of. sizes: of each map's anchors.
    torchvision's ``AnchorGenerator``: places are whole pixels apart, and the first is at the picture's corner.
    """
    found = []
    for (height, width), of_map in zip(maps, sizes, strict=True):
        down = np.arange(height, dtype=np.float32) * (image[0] // height)
        across = np.arange(width, dtype=np.float32) * (image[1] // width)
        y, x = np.meshgrid(down, across, indexing="ij")
        places = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
        found.append((places + cell_anchors(of_map, ratios)).reshape(-1, 4))
    return found
