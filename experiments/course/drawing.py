"""Figures of the lessons: axes in one style, and rows of pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxdl.report.axes import PRINTED


def plots(columns: int = 1, rows: int = 1, *, width: float = 4.2, height: float = 3.2, **options: Any) -> tuple:
    """A figure, and its axes as ``Figure.subplots`` returns them; width, height: of each, in inches."""
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, **options)
    for each in np.atleast_1d(axes).ravel():
        each.spines[["top", "right"]].set_visible(False)
        each.set_prop_cycle(color=PRINTED)
        each.title.set_fontsize(10)
    return figure, axes


def pictures(images: Sequence[Any], titles: Sequence[str] = (), *, columns: int = 8, size: float = 1.4) -> Figure:
    """Images side by side, each [H, W, 3] or [H, W]: uint8, or float in [0, 1]; gray from its lowest to its highest."""
    images = [np.asarray(image) for image in images]
    rows = -(-len(images) // columns)
    figure, axes = plots(columns, rows, width=size, height=size + (0.25 if titles else 0), squeeze=False)
    for each in axes.ravel():
        each.axis("off")
    for number, (each, image) in enumerate(zip(axes.ravel(), images, strict=False)):
        each.imshow(image if image.ndim == 2 or image.dtype == np.uint8 else image.clip(0, 1), cmap="gray")
        each.set_title(titles[number] if number < len(titles) else "", fontsize=8)
    return figure
