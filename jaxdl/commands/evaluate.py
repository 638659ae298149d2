"""Evaluation of a run's network: ``python -m jaxdl evaluate runs/NAME``."""

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from jaxdl.data.dataset import Split
from jaxdl.errors import UserError
from jaxdl.report.diagnosis import as_text
from jaxdl.run import flags, recorded, run_folder, terminal
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import flag
from jaxdl.run.status import exit_status
from jaxdl.run.views import VIEWS
from jaxdl.wording import counted

if TYPE_CHECKING:
    from jaxdl.run.finished_run import FinishedRun

COMMAND = "jaxdl evaluate"
ABOUT = (
    "Evaluate a run's network on a split of its data, or it or pretrained weights on a folder of pictures, and write "
    "metrics, every prediction and an HTML page."
)
SPLITS = ("test", "val", "train")
WIDTH = 100  # of the table where the output is no terminal


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Flags: the network, the data to evaluate on, and the folder for the results."""

    split: str = flag("test", "split of the run's data", choices=SPLITS)
    pictures: str | None = flag(
        None,
        "evaluate on this folder instead: a classifier on the pictures in its <class>/ folders, where ImageNet's may "
        "bear synset or index; a segmenter on images/ and masks/; a detector on one as PASCAL VOC, COCO or YOLO lay it "
        "out",
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
    options.check_whole()
    terminal.say_loading()
    from jaxdl.run import review  # with which comes JAX
    from jaxdl.run.network import told

    run = options.load()
    of_task = run.task.review()
    findings = review.findings_in(run) if options.model is None else []
    views = None if options.views == "run" else VIEWS[options.views]
    if options.pictures:
        split = of_task.pictures(Path(options.pictures), run)
        seen, pixels = None, f"pictures in {Path(options.pictures).resolve()}"
    else:
        split, train, pixels = _split(options, run)
        seen = of_task.seen_batch(run, train)
    predictions = of_task.evaluated(run, split, views)
    with run_folder.writing(out):
        out.mkdir(parents=True)
    about = {"evaluated on": pixels, "views": options.views}
    evaluation = review.write(
        out, run=run, split=name, findings=findings, predictions=predictions, data=split, seen=seen, about=about
    )
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
    console.print(f"{told(run.model, run.config)}{run.told_updates} on {counted(len(split), 'image')} of {name}:")
    of_task.print_figures(evaluation, console)
    there = [(title, out / file) for title, file in review.LISTED if (out / file).exists()]
    console.print(*(f"{title:<12} {file}" for title, file in there), sep="\n", soft_wrap=True)
    if run.record["notice"]:
        console.print(run.record["notice"])
    print(*as_text(findings), sep="\n")


def _split(options: Options, run: "FinishedRun") -> tuple[Split, Split, str]:
    """Split to evaluate, split that the run was trained on, and the source of both, in words."""
    changes = {"data_dir": options.data_dir} if options.data_dir else {}
    dataset = run.task.load(dataclasses.replace(run.config, offline=options.offline or run.config.offline, **changes))
    recorded.check_same_data(run.record, dataset)
    train, val = dataset.held_out(val_size=run.config.val_size, seed=run.config.seed)
    chosen = {"test": dataset.test, "val": val, "train": train}[options.split]
    if chosen is None:
        raise UserError("the run held no images out for validation; choose --split test or train.")
    return chosen, train, dataset.source
