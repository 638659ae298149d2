"""Boxes drawn at random."""

import numpy as np


def boxes(rng, count, *, height=100, width=100, whole=False):
    """(x1, y1, x2, y2) within a picture: float32[count, 4], of an area; in whole pixels if asked."""
    corners = [rng.uniform(0, side, (count, 2)) for side in (width, height)]
    if whole:
        corners = [np.floor(each) for each in corners]
    (x, y), (right, bottom) = ([function(each, axis=1) for each in corners] for function in (np.min, np.max))
    if whole:
        right, bottom = right + 1, bottom + 1
    return np.stack([x, y, right, bottom], axis=-1).astype(np.float32)
