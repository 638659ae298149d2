"""Answers of a run's network to pictures in files: the most probable classes, or why there are none."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax
from tqdm import tqdm

from jaxdl import disk
from jaxdl.data.framing import Framing
from jaxdl.data.pictures import SUFFIXES, open_picture
from jaxdl.data.prefetch import Prefetch
from jaxdl.errors import UserError
from jaxdl.objects import RLE
from jaxdl.run import run_folder
from jaxdl.run.classifier import MOST_PIXELS, Classifier
from jaxdl.run.evaluating import SECONDS_UNTIL_BAR
from jaxdl.wording import printable

URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Found(NamedTuple):
    """An object of a detector's. name: its class; score: in [0, 1]; box: (x1, y1, x2, y2) in pixels; mask: or None."""

    name: str
    score: float
    box: tuple[float, ...]
    mask: RLE | None = None


class Answer(NamedTuple):
    """best: (class, probability in [0, 1]) of the most probable classes, in order, or of a segmenter (class, share of
    the pixels); error: why there are none. written: files made of the picture. objects: of a detector.
    """

    file: str
    best: tuple[tuple[str, float], ...] = ()
    error: str | None = None
    written: tuple[str, ...] = ()
    objects: tuple[Found, ...] = ()


def name_of(file: str, taken: set[str]) -> str:
    """The file's own without its ending, with a number behind it if another has it; adds it to those ``taken``."""
    stem = Path(file).stem
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10**9))
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name


def best(logits: np.ndarray, classes: Sequence[str], top: int) -> list[tuple[tuple[str, float], ...]]:
    """(class, probability) of the ``top`` most probable classes of each row of ``logits``: float[N, classes].

    Raises UserError if they are not finite.
    """
    if not np.isfinite(logits).all():
        raise UserError("the network gives no finite numbers: its training diverged. Use another run or weights.")
    probabilities = softmax(np.asarray(logits, np.float64), axis=1)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        tuple((classes[each], float(row[each])) for each in chosen)
        for row, chosen in zip(probabilities, order, strict=True)
    ]


def answers_of(classifier: Classifier, files: list[str], top: int) -> Iterator[Answer]:
    """In the order of ``files``; holds the pixels of a few batches, and prints a line for each that cannot be read."""
    height, width, channels = classifier.run.image
    count = min(len(files), max(MOST_PIXELS // (height * width), 1))

    def read(step: int) -> tuple[np.ndarray, list[str | None]]:
        images = np.zeros((count, height, width, channels), np.uint8)  # whole also at the end: one size is compiled

        def one(row: int) -> str | None:
            try:
                images[row] = opened(files[step * count + row], classifier.run.framing)
            except UserError as error:
                return str(error)
            return None

        return images, list(pool.map(one, range(min(count, len(files) - step * count))))

    steps = -(-len(files) // count)
    bar = tqdm(
        total=len(files), desc="predicting", unit="img", delay=SECONDS_UNTIL_BAR, leave=False, disable=None,
        file=sys.stderr,
    )  # fmt: skip
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        with bar, Prefetch(read, start=0, stop=steps, ahead=1) as batches:
            for step in range(steps):
                images, errors = batches(step)
                rows = best(classifier.logits(images), classifier.run.classes, top)
                for file, error, row in zip(files[step * count :], errors, rows, strict=False):
                    if error:
                        bar.write(f"error: {printable(error)}", file=sys.stderr)
                    yield Answer(file, error=error) if error else Answer(file, best=row)
                bar.update(len(errors))
    finally:
        pool.shutdown(cancel_futures=True)


def written_answers(
    files: Sequence[str],
    answer: Callable[[np.ndarray], tuple[Mapping[str, Any], Mapping[str, bytes]]],
    *,
    out: Path,
) -> Iterator[Answer]:
    """In the order of ``files``, each a whole picture; prints a line for each that cannot be read.

    answer: of a picture, uint8[H, W, 3], the fields of its Answer, and what is written of it by the end of the name,
    into the new folder ``out``.
    """
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
        fields, contents = answer(picture)
        name = name_of(file, taken)
        places = {out / f"{name}{end}": content for end, content in contents.items()}
        with run_folder.writing(out):
            out.mkdir(parents=True, exist_ok=True)  # where nothing is written there is no folder
            for place, content in places.items():
                disk.write(place, content)
        yield Answer(file, **fields, written=tuple(map(str, places)))


def opened(file: str, framing: Framing | None) -> np.ndarray:
    """uint8[H, W, 3], as ``open_picture``; raises UserError as it does, and for a URL or a folder."""
    if URL.match(file) and not os.path.exists(file):
        raise UserError(f"{file} is a URL, and nothing is fetched. Download the picture, then name its file.")
    if os.path.isdir(file):
        raise UserError(f"{file} is a folder that cannot be read, or has no pictures in it ({', '.join(SUFFIXES)}).")
    return open_picture(Path(file), framing, name=file)
