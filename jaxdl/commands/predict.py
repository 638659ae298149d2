"""A run's network on pictures of one's own: ``python -m jaxdl predict runs/NAME cat.jpg holiday/``."""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from scipy.special import softmax
from tqdm import tqdm

from jaxdl.data import picture_files
from jaxdl.data.pictures import SUFFIXES, open_picture
from jaxdl.data.prefetch import Prefetch
from jaxdl.errors import UserError
from jaxdl.run import finished_run, flags
from jaxdl.run.classifier import MOST_PIXELS, SECONDS_UNTIL_BAR, Classifier
from jaxdl.run.flags import check, flag
from jaxdl.run.status import exit_status
from jaxdl.wording import counted, printable

COMMAND = "jaxdl predict"
ABOUT = (
    "Print a run's predictions for pictures (JPEG, PNG, WebP, BMP, GIF, TIFF, PPM), resized as in training from a "
    "folder. The exit status is 2 if any of them cannot be read."
)
URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
FEW = 10  # pictures, up to which each is shown with bars
TOP, TOP_OF_MANY = 5, 2  # classes
BAR = 30  # columns
WIDE = 10_000  # columns where the output is no terminal: there a line never breaks


@dataclass(frozen=True, kw_only=True)
class Options:
    """Flags: the run, the pictures, and how much to print of their predictions."""

    run: str = flag("", "folder of the run", positional=True, path=True)
    images: tuple[str, ...] = flag(
        (), "pictures, or folders to search for pictures", positional=True, value="IMAGE", path=True
    )
    top: int | None = flag(
        None,
        "number of most probable classes per picture",
        min=1,
        unset=f"{TOP}, or {TOP_OF_MANY} in a table of more than {FEW} pictures",
    )
    json: bool = flag(False, "print one JSON document", on_only=True)

    def __post_init__(self) -> None:
        check(self)


class Answer(NamedTuple):
    """best: (class, probability in [0, 1]) of the most probable classes, in order; error: why there are none."""

    file: str
    best: tuple[tuple[str, float], ...] = ()
    error: str | None = None


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    refused: list[Answer] = []
    status = exit_status(lambda: refused.extend(_predict(sys.argv[1:] if argv is None else argv)), Options)
    return status or (2 if refused else 0)


def find(names: Iterable[str]) -> list[str]:
    """The files that ``names`` stand for: themselves, or the pictures in a folder at any depth, in sorted order.

    Hidden files and folders are left out. Links are followed, and each folder is searched once. A folder that holds no
    picture stands for itself.
    """
    files: list[str] = []
    for name in names:
        found = picture_files.find(name) if os.path.isdir(name) else None
        inside = sorted(found.pictures + found.refused, key=lambda path: Path(path).parts) if found else []
        files += [os.path.join(name, path) if path else name for path in inside] or [name]
    return files


def _unread(found: picture_files.Found) -> picture_files.Found:
    """Of what was found, the pictures in formats that are not read."""
    kinds = {reason: paths for reason, paths in found.left_out.items() if reason.startswith(picture_files.UNREAD)}
    return picture_files.Found([], kinds)


def best(logits: np.ndarray, classes: Sequence[str], top: int) -> list[tuple[tuple[str, float], ...]]:
    """(class, probability) of the ``top`` most probable classes of each row of ``logits``: float[N, classes].

    Raises UserError if they are not finite.
    """
    if not np.isfinite(logits).all():
        raise UserError("the network gives no finite numbers: its training diverged. Use another run.")
    probabilities = softmax(np.asarray(logits, np.float64), axis=1)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        tuple((classes[each], float(row[each])) for each in chosen)
        for row, chosen in zip(probabilities, order, strict=True)
    ]


def _predict(argv: list[str]) -> list[Answer]:
    """Prints the answers and returns those that are errors."""
    options, _ = flags.parse(argv, Options(), COMMAND, ABOUT)
    run = finished_run.load(options.run)
    if run.record["notice"]:
        print(printable(run.record["notice"]), file=sys.stderr)
    files = find(options.images)
    for name in filter(os.path.isdir, options.images):
        if said := picture_files.told([_unread(picture_files.find(name))]):
            print(f"left out of {printable(name)}: {said}", file=sys.stderr)
    table = len(files) > FEW and not options.json
    top = options.top or (TOP_OF_MANY if table else TOP)
    answers = list(_answers(Classifier(run), files, top))
    refused = [answer for answer in answers if answer.error]
    if options.json:
        print(json.dumps([_as_json(answer) for answer in answers], indent=1))
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
        answered = [answer for answer in answers if not answer.error]
        if answered:
            (_show_table if table else _show_bars)(console, answered)
    return refused


def _answers(classifier: Classifier, files: list[str], top: int) -> Iterator[Answer]:
    """In the order of ``files``; holds the pixels of a few batches, and prints a line for each that cannot be read."""
    height, width, channels = classifier.run.image
    count = min(len(files), max(MOST_PIXELS // (height * width), 1))

    def read(step: int) -> tuple[np.ndarray, list[str | None]]:
        images = np.zeros((count, height, width, channels), np.uint8)  # whole also at the end: one size is compiled

        def one(row: int) -> str | None:
            try:
                images[row] = _open(files[step * count + row], height)
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


def _open(file: str, size: int) -> np.ndarray:
    if URL.match(file) and not os.path.exists(file):
        raise UserError(f"{file} is a URL, and nothing is fetched. Download the picture, then name its file.")
    if os.path.isdir(file):
        raise UserError(f"{file} is a folder that cannot be read, or has no pictures in it ({', '.join(SUFFIXES)}).")
    return open_picture(Path(file), size, name=file)


def _as_json(answer: Answer) -> dict:
    if answer.error:
        return {"file": answer.file, "error": answer.error}
    predictions = [{"class": name, "probability": probability} for name, probability in answer.best]
    return {"file": answer.file, "predictions": predictions}


def _show_bars(console: Console, answers: list[Answer]) -> None:
    widest = max(len(printable(name)) for answer in answers for name, _ in answer.best)
    for number, answer in enumerate(answers):
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(min_width=widest + 2, overflow="fold")
        table.add_column(justify="right")
        table.add_column(width=BAR)
        for place, (name, probability) in enumerate(answer.best):
            bar = ProgressBar(
                total=1, completed=probability, width=BAR, complete_style="cyan", finished_style="cyan",
                style="bright_black",
            )  # fmt: skip
            style = "bold" if place == 0 else ""
            table.add_row(Text("  " + printable(name), style), Text(f"{probability:.1%}", style), bar)
        if number:
            console.print()
        console.print(Text(printable(answer.file), "bold"))
        console.print(table)


def _show_table(console: Console, answers: list[Answer]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("class", overflow="fold", style="bold")
    table.add_column("probability", justify="right", no_wrap=True)
    several = len(answers[0].best) > 1
    if several:
        table.add_column("then", overflow="fold")
    for answer in answers:
        (name, probability), *others = answer.best
        then = ", ".join(f"{printable(other)} {share:.1%}" for other, share in others)
        table.add_row(
            Text(printable(answer.file)),
            Text(printable(name)),
            f"{probability:.1%}",
            *([Text(then)] if several else []),
        )
    console.print(table)
    counts = Counter(answer.best[0][0] for answer in answers).most_common()
    console.print(
        Text(
            f"{counted(len(answers), 'picture')}: {', '.join(f'{count:,} {printable(name)}' for name, count in counts)}"
        )
    )
