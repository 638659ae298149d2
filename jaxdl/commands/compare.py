"""Several runs side by side as a page to look at: ``python -m jaxdl compare runs/A runs/B``."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.run import flags, recorded, terminal
from jaxdl.run.flags import check, flag
from jaxdl.run.status import exit_status

if TYPE_CHECKING:
    from jaxdl.report.comparison import ComparedRun

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
    for folder in options.runs:
        recorded.read_single(folder)
    terminal.say_loading()
    from jaxdl.report.comparison import render_comparison
    from jaxdl.run.compared import read_run  # with which comes JAX

    runs = [read_run(folder) for folder in options.runs]
    page = render_comparison(runs)
    try:
        disk.write(out, page)
    except OSError as error:
        raise UserError(f"cannot write {out} ({error.strerror}). Name another file with --out.") from error
    _print(runs, out)


def _check_different(folders: Sequence[str]) -> None:
    if len(folders) < 2:
        raise UserError("a comparison takes the folders of two runs or more.")
    seen = {}
    for folder in folders:
        place = Path(folder).resolve()
        if place in seen:
            raise UserError(f"{folder} is given twice (as {seen[place]} before); name each run once.")
        seen[place] = folder


def _new_name() -> Path:
    """``comparison-<time>.html``, with a number behind it if two are made in one second."""
    name = f"comparison-{time.strftime('%Y%m%d-%H%M%S')}"
    candidates = [Path(f"{name}.html"), *(Path(f"{name}-{number}.html") for number in range(2, 100))]
    return next(path for path in candidates if not path.exists())


def _print(runs: "Sequence[ComparedRun]", out: Path) -> None:
    from jaxdl.report.comparison import caution, key_figures, label

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
