"""Answers of a detector to pictures in files: the objects in each, and a picture with their boxes, names and masks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdl.data import pictures
from jaxdl.objects import Detections
from jaxdl.report.boxes_drawn import boxed
from jaxdl.report.class_colors import class_colors
from jaxdl.run.answers import Answer, Found, written_answers
from jaxdl.run.detection.detector import ObjectFinder
from jaxdl.wording import printable

DRAWN = "-objects.png"


def surest(found: Detections, threshold: float, top: int | None = None) -> Detections:
    """Those of a score of ``threshold`` or more, at most ``top``, the most certain first."""
    order = np.argsort(-found.scores, kind="stable")
    rows = order[found.scores[order] >= np.float32(threshold)][:top]
    masks = None if found.masks is None else tuple(found.masks[row] for row in rows)
    return Detections(found.boxes[rows], found.classes[rows], found.scores[rows], masks)


def objects_in(found: Detections, classes: Sequence[str]) -> tuple[Found, ...]:
    """Objects as they are told, boxes within hundredths of a pixel."""
    masks = found.masks or (None,) * len(found)
    each = zip(found.boxes, found.classes, found.scores, masks, strict=True)
    return tuple(
        Found(classes[number], float(score), tuple(round(float(side), 2) for side in box), mask)
        for box, number, score, mask in each
    )


def answers_of(
    finder: ObjectFinder, files: Sequence[str], *, threshold: float, top: int | None, out: Path
) -> Iterator[Answer]:
    """``written_answers``: ``NAME-objects.png``. threshold: of the scores; top: objects, at most, of an answer."""
    classes = finder.run.classes
    colors = class_colors(len(classes))

    def answer(picture: np.ndarray) -> tuple[dict, dict[str, bytes]]:
        found = surest(finder.objects(picture), threshold, top)
        words = [
            f"{printable(classes[number])} {score:.0%}"
            for number, score in zip(found.classes, found.scores, strict=True)
        ]
        drawn = boxed(picture, found.boxes, colors[found.classes], words=words, masks=found.masks)
        return {"objects": objects_in(found, classes)}, {DRAWN: pictures.png(drawn)}

    return written_answers(files, answer, out=out)
