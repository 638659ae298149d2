"""A network on pictures of one's own: ``python -m jaxdl predict runs/NAME cat.jpg holiday/``."""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from jaxdl.data import picture_files
from jaxdl.errors import UserError
from jaxdl.run import flags, terminal, told_answers
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import flag
from jaxdl.run.status import exit_status
from jaxdl.run.told_answers import SCORE
from jaxdl.wording import printable

if TYPE_CHECKING:
    from jaxdl.run.answers import Answer
    from jaxdl.run.finished_run import FinishedRun

COMMAND = "jaxdl predict"
ABOUT = (
    "Print a network's predictions for pictures (JPEG, PNG, WebP, BMP, GIF, TIFF, PPM), brought to its size as its own "
    "were: a run's network, or pretrained weights with --model and --pretrained. Masks of a segmenter and a detector's "
    "pictures with boxes go to files. The exit status is 2 if any of them cannot be read."
)
FEW = 10  # pictures, up to which each is shown with bars
TOP, TOP_OF_MANY = 5, 2  # classes
THRESHOLD = 0.5  # of scores
WIDE = 10_000  # columns where the output is no terminal: there a line never breaks


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Flags: the network, the pictures, and how much to print of their predictions."""

    images: tuple[str, ...] = flag(
        (), "pictures, or folders to search for pictures", positional=True, optional=True, value="IMAGE", path=True
    )
    top: int | None = flag(
        None,
        "number of most probable classes per picture, or of a detector's objects",
        min=1,
        unset=f"{TOP}, or {TOP_OF_MANY} in a table of more than {FEW} pictures; all objects",
    )
    threshold: float = flag(THRESHOLD, "of a detector: least score of an object", min=0, max=1)
    json: bool = flag(False, "print one JSON document", on_only=True)
    out: str | None = flag(
        None,
        "folder for a segmenter's masks and overlays, or a detector's pictures with boxes",
        unset="<run>/predictions/<time>, or <model>-predictions-<time>",
        path=True,
    )

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures; without a run all names are theirs."""
        return self.images if self.model is None or not self.run else (self.run, *self.images)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    refused: list = []
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


def _predict(argv: list[str]) -> "list[Answer]":
    """Prints the answers and returns those that are errors."""
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    if options.model is None and options.pretrained is not None:
        options.check_there(given)  # which tells that the weights do not tell their network
    if not options.pictures:
        raise UserError("name one picture or more, or folders of them.")
    (options if options.model is None else dataclasses.replace(options, run="")).check_there(given)
    options.check_whole()
    terminal.say_loading()
    run = options.load()
    if run.record["notice"]:
        print(printable(run.record["notice"]), file=sys.stderr)
    if run.task.name != "detection" and "threshold" in given:
        raise UserError("--threshold is for the scores of a detector, which this is not: leave it out.")
    files = find(options.pictures)
    for name in filter(os.path.isdir, options.pictures):
        if said := picture_files.told([_unread(picture_files.find(name))]):
            print(f"left out of {printable(name)}: {said}", file=sys.stderr)
    table = len(files) > FEW and not options.json
    top = options.top or (TOP_OF_MANY if table else TOP)
    answers, figure = ANSWERED[run.task.name](run, files, options, top)
    refused = [answer for answer in answers if answer.error]
    if options.json:
        print(json.dumps([told_answers.as_json(answer, figure) for answer in answers], indent=1))
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
        answered = [answer for answer in answers if not answer.error]
        if answered and figure == SCORE:
            (told_answers.show_counts if table else told_answers.show_objects)(console, answered, options.threshold)
        elif answered:
            (told_answers.show_table if table else told_answers.show_bars)(console, answered, figure)
        if any(answer.written for answer in answered):
            what = "pictures with boxes" if figure == SCORE else "masks and overlays"
            print(f"{what}  {Path(answered[0].written[0]).parent}")
    return refused


def _classes(run: "FinishedRun", files: list[str], options: Options, top: int) -> "tuple[list[Answer], str]":
    from jaxdl.run.answers import answers_of
    from jaxdl.run.classifier import Classifier

    if options.out is not None:
        raise UserError(
            "--out is for the masks of a segmenter or the boxes of a detector, and this is a classifier: leave it out."
        )
    return list(answers_of(Classifier(run), files, top)), "probability"


def _masks(run: "FinishedRun", files: list[str], options: Options, top: int) -> "tuple[list[Answer], str]":
    from jaxdl.run.segmentation.answers import answers_of
    from jaxdl.run.segmentation.segmented import Segmented

    out = _new_folder(options)
    return list(answers_of(Segmented(run), files, options.top if options.json else top, out)), "share"


def _objects(run: "FinishedRun", files: list[str], options: Options, top: int) -> "tuple[list[Answer], str]":
    from jaxdl.run.detection.answers import answers_of
    from jaxdl.run.detection.detector import ObjectFinder

    out = _new_folder(options)
    asked = {"threshold": options.threshold, "top": options.top, "out": out}
    return list(answers_of(ObjectFinder(run), files, **asked)), SCORE


def _new_folder(options: Options) -> Path:
    """``--out``, or where it is without; raises UserError if it is there."""
    now = time.strftime("%Y%m%d-%H%M%S")
    usual = Path(options.run, "predictions", now) if options.model is None else f"{options.model}-predictions-{now}"
    out = Path(options.out or usual)
    if out.exists():
        raise UserError(f"{out} exists; nothing is overwritten. Name another folder with --out.")
    return out


ANSWERED = {
    "classification": _classes,
    "detection": _objects,
    "segmentation": _masks,
}  # by task: the answers, and what they give of a class or an object
