"""Results of a sweep: a row per member, a row per configuration, the best first, and averaged predictions."""

import csv
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl import disk
from jaxdl.report.bands import Band, bands_picture
from jaxdl.run import run_folder
from jaxdl.run.sweep.grid import Grid, Value
from jaxdl.train.member_history import MemberHistory, Series
from jaxdl.wording import counted

WIDTH = 110  # of the table where the output is no terminal
MOST_ROWS = 60  # of the table on the screen; summary.json has all


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of n values; None of too few."""

    mean: float | None
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of finite values."""
        return cls(
            float(np.mean(values)) if len(values) else None,
            float(np.std(values, ddof=1)) if len(values) > 1 else None,
            len(values),
        )

    def __str__(self) -> str:
        if self.mean is None:
            return "-"
        return f"{self.mean:.2%}" + (f" ± {self.std:.2%}" if self.std is not None else "")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The test split's figures. accuracy, loss: by member, None of those that diverged.

    ensembles: the accuracy of averaged softmax outputs, by configuration, and of all members; None where not asked for,
    or where all have diverged.
    """

    accuracy: Series
    loss: Series
    ensembles: Sequence[float | None] | None = None
    ensemble: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A configuration. diverged: (seed, step) of the members that did, which are in no mean."""

    configuration: int
    values: dict[str, Value]
    val_accuracy: Spread
    test_accuracy: Spread
    ensemble: float | None
    diverged: list[tuple[int, int]]


class PredictionSums:
    """The figures of the test split, gathered batch by batch. alive: bool[M], the members that count."""

    def __init__(self, grid: Grid, *, alive: np.ndarray, ensemble: bool):
        self._grid, self._alive, self._ensemble = grid, alive, ensemble
        self._correct, self._loss = np.zeros(len(grid)), np.zeros(len(grid))
        self._together = np.zeros(len(grid.configurations) + 1)
        self._examples = 0

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """logits: float32[M, B, classes]; labels: int32[B]."""
        shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        self._correct += (logits.argmax(-1) == labels).sum(-1)
        self._loss -= np.take_along_axis(log_p, np.broadcast_to(labels, logits.shape[:2])[..., None], -1).sum((1, 2))
        self._examples += len(labels)
        if self._ensemble:
            p = np.where(self._alive[:, None, None], np.exp(log_p), 0)
            summed = p.reshape(-1, len(self._grid.seeds), *p.shape[1:]).sum(1)
            everything = np.concatenate([summed, summed.sum(0, keepdims=True)])
            self._together += (everything.argmax(-1) == labels).sum(-1)

    def result(self) -> Measured:
        """All that was added."""

        def shares(values: np.ndarray, known: np.ndarray) -> Series:
            return [float(value) if kept else None for value, kept in zip(values / self._examples, known, strict=True)]

        of_members = shares(self._correct, self._alive), shares(self._loss, self._alive)
        if not self._ensemble:
            return Measured(accuracy=of_members[0], loss=of_members[1])
        alive = self._alive.reshape(-1, len(self._grid.seeds)).any(1)
        *each, together = shares(self._together, np.append(alive, alive.any()))
        return Measured(accuracy=of_members[0], loss=of_members[1], ensembles=each, ensemble=together)


def rows_of(grid: Grid, history: MemberHistory, tested: Measured) -> list[Row]:
    """A row a configuration, the highest mean of its members' best validation accuracies first."""
    best, rows = history.best_val_accuracies, []
    for number, values in enumerate(grid.configurations):
        members = np.flatnonzero(grid.configuration_of == number)
        alive = [member for member in members if history.diverged[member] is None]

        def spread(series: Series, alive: Sequence[int] = alive) -> Spread:
            return Spread.of([series[member] for member in alive if series[member] is not None])

        rows.append(
            Row(
                configuration=number,
                values=values,
                val_accuracy=spread(best),
                test_accuracy=spread(tested.accuracy),
                ensemble=tested.ensembles[number] if tested.ensembles else None,
                diverged=[
                    (grid.members[member]["seed"], history.diverged[member])
                    for member in members
                    if history.diverged[member] is not None
                ],
            )
        )
    return sorted(rows, key=lambda row: (row.test_accuracy.n == 0, -(row.val_accuracy.mean or 0)))


def configurations_json(rows: Sequence[Row]) -> list[dict]:
    """The rows for ``summary.json``."""
    return [
        {
            **row.values,
            "val_accuracy": asdict(row.val_accuracy),
            "test_accuracy": asdict(row.test_accuracy),
            "ensemble_test_accuracy": row.ensemble,
            "diverged": [{"seed": seed, "step": step} for seed, step in row.diverged],
        }
        for row in rows
    ]


def write_members(out: str, grid: Grid, history: MemberHistory, tested: Measured) -> None:
    """``members.csv``: a line a member; empty where there is no number."""
    last = history.val_accuracies[-1] if history.val_accuracies else [None] * len(grid)
    best = history.best_val_accuracies
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    figures = ("best_val_accuracy", "val_accuracy", "test_accuracy", "test_loss", "diverged_at_step")
    writer.writerow(["member", "configuration", *grid.names, "seed", *figures])
    for number, member in enumerate(grid.members):
        measured = (best, last, tested.accuracy, tested.loss, history.diverged)
        writer.writerow(
            [
                number,
                grid.configuration_of[number],
                *(member[name] for name in (*grid.names, "seed")),
                *("" if series[number] is None else series[number] for series in measured),
            ]
        )
    with run_folder.writing(out):
        disk.write(Path(out, "members.csv"), text.getvalue())


def write_curves(out: str, grid: Grid, rows: Sequence[Row], records: Sequence[dict], diverged: Sequence) -> bool:
    """``curves.png`` from the records of each epoch; whether there was a validation to draw."""
    records = [record for record in records if record["kind"] == "epoch" and "val_accuracy" in record]
    if not records:
        return False
    values = np.array([record["val_accuracy"] for record in records], float)
    alive = np.array([step is None for step in diverged])
    bands = []
    for row in rows:
        own = values[:, (grid.configuration_of == row.configuration) & alive]
        if own.size:
            deviations = own.std(1, ddof=1) if own.shape[1] > 1 else np.zeros(len(own))
            name = grid.label(row.configuration)
            bands.append(
                Band(
                    name=name,
                    epochs=[record["epoch"] for record in records],
                    means=own.mean(1),
                    deviations=deviations,
                )
            )
    if not bands:
        return False
    several = ", mean and standard deviation over seeds" if len(grid.seeds) > 1 else ""
    with run_folder.writing(out):
        disk.write(Path(out, "curves.png"), bands_picture(f"Validation accuracy{several}", bands))
    return True


def print_table(grid: Grid, rows: Sequence[Row], tested: Measured) -> None:
    """The configurations on the screen, the best by validation first."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    columns: list[tuple[str, Callable[[Row], str]]] = [
        *((name.replace("_", " "), lambda row, name=name: f"{row.values[name]:g}") for name in grid.names),
        ("best validation", lambda row: str(row.val_accuracy)),
        ("test", lambda row: str(row.test_accuracy)),
        ("n", lambda row: str(row.test_accuracy.n)),
    ]
    if tested.ensembles is not None:
        columns.append(("together", lambda row: "-" if row.ensemble is None else f"{row.ensemble:.2%}"))
    if any(row.diverged for row in rows):
        columns.append(("", lambda row: _diverged(grid, row)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, _ in columns:
        table.add_column(title, justify="right" if title else "left", overflow="fold")
    for number, row in enumerate(rows[:MOST_ROWS]):
        style = "bold" if number == 0 and row.val_accuracy.n else ""
        table.add_row(*(Text(text(row), style=style) for _, text in columns))
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"and {len(rows) - MOST_ROWS:,} more in summary.json")
    if tested.ensemble is not None:
        members = sum(value is not None for value in tested.accuracy)
        console.print(f"averaged predictions of {counted(members, 'member')}: {tested.ensemble:.2%} on the test images")


def _diverged(grid: Grid, row: Row) -> str:
    if not row.diverged:
        return ""
    steps = [step for _, step in row.diverged]
    at = f"diverged at step {min(steps)}" + (f" to {max(steps)}" if max(steps) > min(steps) else "")
    if len(row.diverged) == len(grid.seeds):
        return at
    some = ", ".join(str(seed) for seed, _ in row.diverged[:5]) + (", ..." if len(row.diverged) > 5 else "")
    return f"seed{'s' if len(row.diverged) > 1 else ''} {some} {at}"
