"""Answers of a segmenter to pictures in files: a mask and an overlay of each, and how much of it each class covers."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl import disk
from jaxdl.data import pictures
from jaxdl.errors import UserError
from jaxdl.report.class_colors import class_colors, overlaid
from jaxdl.run import run_folder
from jaxdl.run.answers import Answer, name_of, opened
from jaxdl.run.evaluating import SECONDS_UNTIL_BAR
from jaxdl.run.segmentation.segmented import Segmented
from jaxdl.wording import printable

MASK, OVERLAY = "-mask.png", "-overlay.png"


def areas_of(mask: np.ndarray, classes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """(class, share of the pixels) of the classes in ``mask``, uint8[H, W], the largest first."""
    counts = np.bincount(mask.ravel(), minlength=len(classes))
    order = np.argsort(-counts, kind="stable")
    return tuple((classes[index], float(counts[index] / mask.size)) for index in order if counts[index])


def answers_of(segmented: Segmented, files: Sequence[str], top: int | None, out: Path) -> Iterator[Answer]:
    """In the order of ``files``; writes ``NAME-mask.png`` and ``NAME-overlay.png`` of each into the new folder ``out``,
    and prints a line for each file that cannot be read. top: classes, at most, of an answer.
    """
    colors, classes = class_colors(len(segmented.run.classes)), segmented.run.classes
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
        mask = segmented.mask(picture)
        name = name_of(file, taken)
        places = out / f"{name}{MASK}", out / f"{name}{OVERLAY}"
        with run_folder.writing(out):
            out.mkdir(parents=True, exist_ok=True)  # where nothing is written there is no folder
            disk.write(places[0], pictures.indexed_png(mask, colors))
            disk.write(places[1], pictures.png(overlaid(picture, mask, colors)))
        yield Answer(file, best=areas_of(mask, classes)[:top], written=tuple(map(str, places)))
