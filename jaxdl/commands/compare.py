"""Several runs side by side as a page to look at: ``python -m jaxdl compare runs/A runs/B``."""

import sys
import time
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.report.comparison import ComparedRun, caution, key_figures, label, render_comparison
from jaxdl.report.evaluation import Evaluation
from jaxdl.run import flags, run_folder, stored
from jaxdl.run.config import SETTINGS
from jaxdl.run.diagnosed import findings_of, parameters_of
from jaxdl.run.flags import check, flag
from jaxdl.run.status import exit_status

COMMAND = "jaxdl compare"
ABOUT = "Write one HTML page that compares runs: their results, the settings in which they differ, and their curves."
WIDTH = 110  # of the table where the output is no terminal


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which runs, and where to."""

    runs: tuple[str, ...] = flag((), "folders of the runs, two or more", positional=True, path=True)
    out: str | None = flag(None, "file to write", unset="comparison-<time>.html", value="FILE", path=True)

    def __post_init__(self) -> None:
        check(self)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _compare(sys.argv[1:] if argv is None else argv), Options)


def _compare(argv: list[str]) -> None:
    options, _ = flags.parse(argv, Options(), COMMAND, ABOUT)
    _check_different(options.runs)
    out = _new_name() if options.out is None else Path(options.out)
    if out.exists():
        raise UserError(f"{out} exists; nothing is overwritten. Name another file with --out.")
    runs = [read_run(folder) for folder in options.runs]
    page = render_comparison(runs)
    try:
        disk.write(out, page)
    except OSError as error:
        raise UserError(f"cannot write {out} ({error.strerror}). Name another file with --out.") from error
    _print(runs, out)


def read_run(folder: str) -> ComparedRun:
    """Reads a run from the files in its folder; raises UserError if it is not a run or cannot be read."""
    record = run_folder.read_single(folder)
    settings = {name: value for name, value in record["config"].items() if name in SETTINGS}
    config = run_folder.config_of(record, folder)
    summary, records = run_folder.summary(folder), run_folder.records(folder)
    return ComparedRun(
        title=Path(folder).resolve().name,
        notice=record["notice"],
        facts=_facts(folder, record, config.model, summary),
        settings=settings,
        summary=summary,
        records=records,
        groups=run_folder.groups(records),
        findings=findings_of(record, records, parameters=parameters_of(record, summary, folder)),
        evaluation=_evaluation(Path(folder, "evaluation.json")),
        data=record["dataset_fingerprint"],
    )


def _check_different(folders: Sequence[str]) -> None:
    if len(folders) < 2:
        raise UserError("a comparison takes the folders of two runs or more.")
    seen = {}
    for folder in folders:
        place = Path(folder).resolve()
        if place in seen:
            raise UserError(f"{folder} is given twice (as {seen[place]} before); name each run once.")
        seen[place] = folder


def _facts(folder: str, record: Mapping, model: str, summary: Mapping | None) -> dict[str, str]:
    facts = {
        "folder": folder,
        "command": record["command"],
        "data": record["dataset"],
        "pixels": record["dataset_source"],
        "model": model,
    }
    if summary is None:
        return {**facts, "state": "not finished"}
    return {**facts, "device": summary["device"], "finished": summary["finished"]}


def _evaluation(path: Path) -> Evaluation | None:
    """Reads the evaluation from the file; None if there is no file."""
    try:
        found = stored.read(path, typing.get_type_hints(Evaluation))
    except FileNotFoundError:
        return None
    per_class = [found["per_class"].get(name, {}) for name in found["classes"]]
    square, count = {len(found["confusion"]), *map(len, found["confusion"])}, len(found["classes"])
    if square != {count} or not all("f1" in figures for figures in per_class):
        raise UserError(f"{path} is not as this program writes it: its figures are not of its {count} classes.")
    return Evaluation.from_json(found)


def _new_name() -> Path:
    """``comparison-<time>.html``, with a number behind it if two are made in one second."""
    name = f"comparison-{time.strftime('%Y%m%d-%H%M%S')}"
    candidates = [Path(f"{name}.html"), *(Path(f"{name}-{number}.html") for number in range(2, 100))]
    return next(path for path in candidates if not path.exists())


def _print(runs: Sequence[ComparedRun], out: Path) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for number, run in enumerate(runs):
        title = f"{label(number)} {run.title}" + ("" if run.summary else " (not finished)")
        table.add_column(Text(title), justify="right", overflow="fold")
    for row in key_figures(runs):
        table.add_row(
            Text(row.name),
            *(
                Text(f"* {value}" if best else value or "-", style="bold" if best else "")
                for value, best in zip(row.values, row.best, strict=True)
            ),
        )
    console.print(table)
    console.print("* the best", style="dim")
    for number, run in enumerate(runs):
        if run.notice:
            console.print(Text(f"{label(number)}: {run.notice}"))
    if caution(runs):
        console.print(Text(caution(runs)))
    print(f"page  {out}")
