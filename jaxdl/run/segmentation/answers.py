"""Answers of a segmenter to pictures in files: a mask and an overlay of each, and how much of it each class covers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdl.data import pictures
from jaxdl.report.class_colors import class_colors, overlaid
from jaxdl.run.answers import Answer, written_answers
from jaxdl.run.segmentation.segmented import Segmented

MASK, OVERLAY = "-mask.png", "-overlay.png"


def areas_of(mask: np.ndarray, classes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """(class, share of the pixels) of the classes in ``mask``, uint8[H, W], the largest first."""
    counts = np.bincount(mask.ravel(), minlength=len(classes))
    order = np.argsort(-counts, kind="stable")
    return tuple((classes[index], float(counts[index] / mask.size)) for index in order if counts[index])


def answers_of(segmented: Segmented, files: Sequence[str], top: int | None, out: Path) -> Iterator[Answer]:
    """``written_answers``: ``NAME-mask.png`` and ``NAME-overlay.png``. top: classes, at most, of an answer."""
    classes = segmented.run.classes
    colors = class_colors(len(classes))

    def answer(picture: np.ndarray) -> tuple[dict, dict[str, bytes]]:
        mask = segmented.mask(picture)
        overlay = pictures.png(overlaid(picture, mask, colors))
        return {"best": areas_of(mask, classes)[:top]}, {MASK: pictures.indexed_png(mask, colors), OVERLAY: overlay}

    return written_answers(files, answer, out=out)
