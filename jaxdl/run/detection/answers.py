"""Answers of a detector to pictures in files: the objects in each, and a picture with their boxes, names and masks."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl import disk
from jaxdl.data import pictures
from jaxdl.errors import UserError
from jaxdl.objects import Detections
from jaxdl.report.boxes_drawn import boxed
from jaxdl.report.class_colors import class_colors
from jaxdl.run import run_folder
from jaxdl.run.answers import Answer, Found, name_of, opened
from jaxdl.run.detection.detector import ObjectFinder
from jaxdl.run.evaluating import SECONDS_UNTIL_BAR
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
    """In the order of ``files``; writes ``NAME-objects.png`` of each into the new folder ``out``, and prints a line for
    each file that cannot be read. threshold: of the scores; top: objects, at most, of an answer.
    """
    classes = finder.run.classes
    colors = class_colors(len(classes))
    taken: set[str] = set()
    for file in tqdm(
        files, "predicting", unit="img", delay=SECONDS_UNTIL_BAR, leave=False, disable=None, file=sys.stderr
    ):
        try:
            picture = opened(file, None)
        except UserError as error:
            tqdm.write(f"error: {printable(str(error))}", file=sys.stderr)
            yield Answer(file, error=str(error))
            continue
        found = surest(finder.objects(picture), threshold, top)
        words = [
            f"{printable(classes[number])} {score:.0%}"
            for number, score in zip(found.classes, found.scores, strict=True)
        ]
        drawn = boxed(picture, found.boxes, colors[found.classes], words=words, masks=found.masks)
        place = out / f"{name_of(file, taken)}{DRAWN}"
        with run_folder.writing(out):
            out.mkdir(parents=True, exist_ok=True)  # where nothing is written there is no folder
            disk.write(place, pictures.png(drawn))
        yield Answer(file, objects=objects_in(found, classes), written=(str(place),))
