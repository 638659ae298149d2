"""Evaluation of a run's network: ``python -m jaxdl evaluate runs/NAME``."""

import dataclasses
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl.data import folder
from jaxdl.data.dataset import Split, train_val_split
from jaxdl.data.streaming import Pictures
from jaxdl.errors import UserError
from jaxdl.report.diagnosis import as_text
from jaxdl.report.evaluation import Evaluation, Predictions
from jaxdl.run import flags, recorded, run_folder, terminal
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import flag
from jaxdl.run.status import exit_status
from jaxdl.run.views import VIEWS
from jaxdl.transfer import imagenet
from jaxdl.wording import counted, printable

if TYPE_CHECKING:
    from jaxdl.run.finished_run import FinishedRun

COMMAND = "jaxdl evaluate"
ABOUT = (
    "Evaluate a run's network on a split of its data, or it or pretrained weights on a folder of pictures, and write "
    "metrics, every prediction and an HTML page."
)
SPLITS = ("test", "val", "train")
WIDTH = 100  # of the table where the output is no terminal
ROWS = 20  # classes, at most, that the terminal lists; the page has all


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Flags: the network, the data to evaluate on, and the folder for the results."""

    split: str = flag("test", "split of the run's data", choices=SPLITS)
    pictures: str | None = flag(
        None,
        "evaluate on the pictures in this folder's <class>/ folders instead; ImageNet's may bear synset or index",
        unset="the split",
        path=True,
    )
    views: str = flag(
        "run",
        "test-time augmentation: views whose logits are averaged; run: as the run does",
        choices=("run", *VIEWS),
    )
    data_dir: str | None = flag(None, "folder of the run's dataset", unset="the run's", path=True)
    out: str | None = flag(
        None, "folder to write", unset="<run>/evaluations/<split>-<time>, or <model>-<pictures>-<time>", path=True
    )


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _evaluate(sys.argv[1:] if argv is None else argv), Options)


def _evaluate(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    if options.pictures and "split" in given:
        raise UserError("--split and --pictures are two things to evaluate on; give one.")
    if options.model and given & {"split", "data_dir"}:
        raise UserError("--split and --data-dir are of a run's data, and --model is without a run; leave them out.")
    if options.model and not options.pictures:
        raise UserError("a network without a run has no data of its own: name a folder with --pictures.")
    name = Path(options.pictures).resolve().name if options.pictures else options.split
    dated = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    of_run = Path(options.run, "evaluations", dated)
    out = Path(options.out or (f"{options.model}-{dated}" if options.model else of_run))
    if out.exists():
        raise UserError(f"{out} exists; nothing is overwritten. Name another folder with --out.")
    options.check_there(given)
    terminal.say_loading()
    from jaxdl.run import review  # with which comes JAX
    from jaxdl.run.classifier import Classifier

    run = options.load()
    findings = review.findings_in(run) if options.model is None else []
    views = None if options.views == "run" else VIEWS[options.views]
    if options.pictures:
        split, files = _pictures(Path(options.pictures), run)
        seen, pixels = None, f"pictures in {Path(options.pictures).resolve()}"
    else:
        split, train, pixels = _split(options, run)
        files, seen = None, review.seen_batch(run, train)
    predictions = Predictions(
        Classifier(run, views=views).logits(split.images, doing="evaluating"), split.labels, run.classes
    )
    with run_folder.writing(out):
        out.mkdir(parents=True)
    about = {"evaluated on": pixels, "views": options.views}
    evaluation = review.write(
        out,
        run=run,
        split=name,
        findings=findings,
        predictions=predictions,
        images=split.images,
        files=files,
        seen=seen,
        about=about,
    )
    _print(run, name, evaluation, out)
    print(*as_text(findings), sep="\n")


def _split(options: Options, run: "FinishedRun") -> tuple[Split, Split, str]:
    """Split to evaluate, split that the run was trained on, and the source of both, in words."""
    from jaxdl.run import loading

    changes = {"data_dir": options.data_dir} if options.data_dir else {}
    dataset = loading.load(dataclasses.replace(run.config, offline=options.offline or run.config.offline, **changes))
    recorded.check_same_data(run.record, dataset)
    train, val = train_val_split(
        dataset.train, val_size=run.config.val_size, seed=run.config.seed, classes=dataset.classes
    )
    chosen = {"test": dataset.test, "val": val, "train": train}[options.split]
    if chosen is None:
        raise UserError("the run held no images out for validation; choose --split test or train.")
    return chosen, train, dataset.source


def _pictures(root: Path, run: "FinishedRun") -> tuple[Split, list[str]]:
    """The pictures in ``root/<class>/``, whose classes are among the run's, and their names."""
    names, labels, remarks = folder.labelled(root, run.classes, also=imagenet.other_names(run.classes))
    for remark in remarks:
        print(f"note  {remark}", flush=True)
    return Split(Pictures(root, names, run.framing), labels), [printable(os.fsdecode(name)) for name in names]


def _print(run: "FinishedRun", name: str, evaluation: Evaluation, out: Path) -> None:
    from jaxdl.run.review import LISTED

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
    top5 = "" if evaluation.top5 is None else f", top-5 {evaluation.top5:.2%}"
    console.print(
        f"{run.config.model}{run.told_updates} on "
        f"{counted(evaluation.examples, 'image')} of {name}:\n"
        f"accuracy {evaluation.top1:.2%}{top5}, loss {evaluation.loss:.4f}, "
        f"calibration error {evaluation.calibration_error:.2%}"
    )
    there = [each for each in evaluation.classes if evaluation.per_class[each]["support"]]
    worst = sorted(there, key=lambda each: evaluation.per_class[each]["f1"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class, the worst first", overflow="fold")
    for title in ("precision", "recall", "f1", "images"):
        table.add_column(title, justify="right")
    rows = [(each, evaluation.per_class[each]) for each in worst[:ROWS]]
    for title, figures in [*rows, ("macro average", evaluation.macro), ("weighted average", evaluation.weighted)]:
        numbers = (f"{figures[figure]:.2%}" for figure in ("precision", "recall", "f1"))
        table.add_row(Text(title), *numbers, f"{figures['support']:,}")
    console.print(table)
    for true, predicted, count in evaluation.confused_pairs(3):
        names = evaluation.classes
        console.print(f"{count:,} of {names[true]} taken for {names[predicted]}")
    console.print(*(f"{title:<12} {out / file}" for title, file in LISTED), sep="\n", soft_wrap=True)
    if run.record["notice"]:
        console.print(run.record["notice"])
