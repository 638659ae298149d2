"""Console output of a sweep: a header, a progress bar on a terminal, a line per epoch everywhere, and the results."""

import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxdl.data.dataset import Dataset
from jaxdl.report.console import steps_bar
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run.announcements import loss_words
from jaxdl.run.network import name_of
from jaxdl.run.sweep.build import MemberTraining
from jaxdl.run.sweep.grid import Grid
from jaxdl.train.member_history import MemberHistory
from jaxdl.train.members import runs_one_by_one
from jaxdl.train.state import parameter_count
from jaxdl.wording import counted


class Progress:
    """From ``step`` to ``steps``; a context."""

    def __init__(self, grid: Grid, *, step: int, steps: int, steps_per_epoch: int):
        self._grid, self._epochs = grid, steps / steps_per_epoch
        self._first, self._steps, self._began = step, steps, time.monotonic()
        self._heartbeat = Heartbeat("compiling the first update")
        self._bar = steps_bar(step, steps)

    def step(self, step: int, history: MemberHistory) -> None:
        """Moves the bar to ``step``; without a bar, prints a line if none was printed for a while."""
        lost = int((~history.alive).sum())
        said = f", {lost} diverged" if lost else ""
        self._bar.set_postfix_str(f"{history.images_per_second:,.0f} images/s{said}", refresh=False)
        self._bar.update(step - self._bar.n)
        if self._heartbeat.due:
            left = (self._steps - step) * (time.monotonic() - self._began) / max(step - self._first, 1)
            self._heartbeat.say(
                f"step {step}/{self._steps}  median train loss {_median(history.epoch_means()['loss'], '.4f')}{said}"
                f"  {history.images_per_second:,.0f} images/s"
                f"  {tqdm.format_interval(left)} left"
            )
        self._heartbeat.begin(f"at step {step}/{self._steps}")

    def record(self, record: dict) -> None:
        """A line for each epoch: the median of the members that have not diverged, and the best of them."""
        line = (
            f"epoch {record['epoch']:.4g}/{self._epochs:.4g}  median train loss {_median(record['train_loss'], '.4f')}"
        )
        values = record.get("val_accuracy")
        if values and any(value is not None for value in values):
            best = int(np.argmax([-1 if value is None else value for value in values]))
            configuration = self._grid.configuration_of[best]
            where = f"{self._grid.label(configuration)}, seed {self._grid.members[best]['seed']}"
            line += f"  |  val accuracy {_median(values, '.2%')}; best {values[best]:.2%} ({where})"
        lost = sum(place is not None for place in record["diverged"])
        line += f"  |  {lost} of {len(self._grid)} diverged" if lost else ""
        self._bar.write(
            f"{line}  |  {record['images_per_second']:,.0f} images/s  {tqdm.format_interval(record['seconds'])}",
            file=sys.stdout,
        )
        sys.stdout.flush()
        self._heartbeat.spoke()

    def __enter__(self) -> "Progress":
        self._heartbeat.__enter__()
        count = counted(len(self._grid), "member")
        self._heartbeat.begin(f"compiling the update of {count}", told=True)
        return self

    def __exit__(self, *reason) -> None:
        self._heartbeat.__exit__(*reason)
        self._bar.close()


def print_header(members: MemberTraining, dataset: Dataset, out: str) -> None:
    """Data, network, recipe and members, before the first update."""
    config, data, grid = members.config, members.data, members.grid
    parameters = parameter_count(members.states.params) // len(grid)
    if dataset.notice:
        print("!" * 100, dataset.notice, "!" * 100, sep="\n")
    side = "one after another" if runs_one_by_one() else "side by side"
    print(
        f"dataset  {dataset.name}: {counted(data.examples, 'image')} to train, {data.val_examples:,} to validate, "
        f"{len(dataset.test):,} to test\n"
        f"pixels   {dataset.source}\n"
        f"model    {name_of(members.model, config)}, {parameters:,} parameters, {config.precision}\n"
        f"recipe   {config.recipe}: {config.optimizer}, learning rate {config.lr:g} ({config.schedule}), "
        f"batch {config.batch_size}, {counted(config.epochs, 'epoch')}{loss_words(config)}; "
        f"{counted(members.steps, 'step')}\n"
        f"members  {len(grid):,}: configurations {len(grid.configurations):,}, seeds {len(grid.seeds):,}; {side}\n"
        f"out      {out}",
        flush=True,
    )


def print_result(summary: dict, out: str, *, drawn: bool) -> None:
    """Where the figures are."""
    chosen = "best by validation first" if summary["val_examples"] else "no validation: in the order given"
    files = ["members.csv", "summary.json", *(["curves.png"] if drawn else [])]
    print(
        f"{chosen}; {counted(summary['members'], 'member')} on {counted(summary['test_examples'], 'test image')} of "
        f"{summary['dataset']}, after {summary['train_seconds']:.0f} s of training\n"
        f"figures  {', '.join(str(Path(out, name)) for name in files)}",
        flush=True,
    )
    if summary["notice"]:
        print(summary["notice"], flush=True)


def _median(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return format(float(np.median(known)), form) if known else "not finite"
