"""Colours of classes that people can tell apart, whether or not they see red and green, and masks drawn with them."""

import functools

import numpy as np

from jaxdl.masks import IGNORED

FIRST = ((0, 114, 178), (230, 159, 0), (86, 180, 233), (213, 94, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167))
LEVELS = (0, 51, 102, 153, 204, 255)  # of each channel, from which the others are chosen
LIGHTNESS = (30.0, 90.0)  # of CIELAB: neither black nor white, which pictures are full of
OPACITY = 0.6
EDGE = 0.35  # brightness of a colour at the edge of its area
# Linear light as seen without the cones for red, and without those for green: Machado et al. 2009.
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
WHITE = (0.95047, 1.0, 1.08883)


@functools.cache
def class_colors(count: int) -> np.ndarray:
    """uint8[count, 3], read-only: those of Okabe and Ito, then each that is furthest from all before it, by CIELAB's
    distance, for whom it is nearest: people of usual sight, or without red or green.

    A class keeps its colour however many follow.
    """
    grid = np.stack(np.meshgrid(*[LEVELS] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _lab(_linear(grid / 255))[:, 0]
    grid = np.concatenate([FIRST, grid[(lightness > LIGHTNESS[0]) & (lightness < LIGHTNESS[1])]])
    linear = _linear(grid / 255)
    seen = [_lab(np.clip(linear @ np.asarray(sight).T, 0, 1)) for sight in (np.eye(3), PROTANOPIA, DEUTERANOPIA)]
    chosen: list[int] = []
    nearest = np.full(len(grid), np.inf)
    while len(chosen) < count:
        chosen.append(len(chosen) if len(chosen) < len(FIRST) else int(nearest.argmax()))
        distances = [np.linalg.norm(lab - lab[chosen[-1]], axis=1) for lab in seen]
        nearest = np.minimum(nearest, np.min(distances, axis=0))
    colors = grid[chosen].astype(np.uint8)
    colors.setflags(write=False)
    return colors


def overlaid(image: np.ndarray, mask: np.ndarray, colors: np.ndarray, *, opacity: float = OPACITY) -> np.ndarray:
    """uint8[H, W, 3]: ``image`` with each pixel in the colour of its class, areas edged; where there is none, as it is.

    mask: uint8[H, W]. colors: of all classes.
    """
    classes = mask != IGNORED
    paint = colors[np.where(classes, mask, 0)].astype(np.float32)
    paint[_edges(mask)] *= EDGE
    mixed = np.where(classes[..., None], (1 - opacity) * image + opacity * paint, image)
    return np.rint(mixed).astype(np.uint8)


def _edges(mask: np.ndarray) -> np.ndarray:
    """bool[H, W]: pixels whose right or lower neighbour is of another class."""
    edges = np.zeros(mask.shape, bool)
    edges[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edges[:-1] |= mask[:-1] != mask[1:]
    return edges


def _linear(values: np.ndarray) -> np.ndarray:
    """Of sRGB in [0, 1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB under the light D65."""
    x = linear @ np.asarray(TO_XYZ).T / WHITE
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
