"""The folder of a run that is going on: its lock, its checkpoints, its log, and where it stood."""

import contextlib
import dataclasses
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
from tqdm import tqdm

from jaxdl import cluster
from jaxdl.checkpoint import Checkpoints
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.processes import from_first
from jaxdl.report.runlog import NoLog, RunLog
from jaxdl.run import recorded, run_folder
from jaxdl.run.config import Config
from jaxdl.train.finite import NotFiniteError
from jaxdl.train.history import History
from jaxdl.train.member_history import MemberHistory
from jaxdl.train.state import TrainState
from jaxdl.wording import counted


class OpenRun(NamedTuple):
    """state, history: where it stands. resume_command: what continues it, as one types it.

    Only the first of several processes writes; ``log`` is a ``NoLog`` in the others.
    """

    config: Config
    state: TrainState
    history: History | MemberHistory
    log: RunLog | NoLog
    checkpoints: Checkpoints
    resume_command: str
    about: dict[str, Any]

    def save(self, state: TrainState, history: History | MemberHistory, score: float | None) -> None:
        """A checkpoint, as ``fit`` calls it."""
        self.log.flush()  # before the checkpoint that counts its bytes
        notes = {"history": history.to_json(), "log_size": self.log.size, "config": dataclasses.asdict(self.config)}
        self.checkpoints.save(state, notes | self.about, score=score)

    def check_saved(self, step: int) -> None:
        """Waits for the checkpoint of ``step``; raises UserError if there is none."""
        self.checkpoints.wait()
        steps = self.checkpoints.steps
        if not from_first(step in steps):
            last = f"the last is of step {steps[-1]:,}" if steps else "there is none"
            raise UserError(
                f"the checkpoint of step {step:,} could not be saved; {last}. Make room, then: {self.resume_command}"
            )

    @contextlib.contextmanager
    def blow_up_told(self) -> Iterator[None]:
        """A context in which a loss that is not finite is noted in the log, and the error names the last checkpoint."""
        try:
            yield
        except NotFiniteError as error:
            self.log.write({"kind": "stopped", "reason": str(error)})
            self.checkpoints.wait()
            steps = self.checkpoints.steps
            last = f"last good one: step {steps[-1]}" if steps else "none yet"
            raise UserError(f"{error} Checkpoints in {self.config.out}: {last}.") from error


def has_checkpoint(folder: str) -> bool:
    """Whether the run there has saved anything; the same in every process.

    Raises UserError where it has come further than one without checkpoints can have, or where they cannot be read: it
    would begin anew, and cut its log.
    """
    return cluster.on_first(partial(_has_checkpoint, folder))


def _has_checkpoint(folder: str) -> bool:
    place = Path(folder, "checkpoints")
    ways = "Bring them back to resume it, or start a new run in another --out."
    there = True
    try:
        os.listdir(place)
    except OSError as error:
        there = False
        if place.is_symlink() or not isinstance(error, FileNotFoundError):
            raise UserError(f"the run's checkpoints in {place} cannot be read ({error.strerror}). {ways}") from error
    if Checkpoints(place).steps:
        return True
    try:
        kinds = Counter(record["kind"] for record in recorded.records(folder, members=True))
    except UserError:  # of a log that is not there, or damaged, of which the resumed run tells
        return False
    if kinds["test"] or (kinds["epoch"] > 1 and not there):  # else the disk may have been full from the beginning
        done = "has been tested" if kinds["test"] else f"has made {counted(kinds['epoch'], 'epoch')}"
        raise UserError(f"the run in {folder} {done}, but there is no checkpoint in {place}. {ways}")
    return False


@contextlib.contextmanager
def open_run(
    config: Config,
    dataset: Dataset,
    state: TrainState,
    history: History | MemberHistory,
    *,
    steps: int,
    new_folder: Callable[..., Path],
    first_record: Mapping[str, Any],
    print_header: Callable[[str], None],
    command: str,
    record: dict[str, Any] | None,
    saved: bool,
) -> Iterator[OpenRun]:
    """A new run in a folder of its own, or the one that ``record`` describes, at its last checkpoint if ``saved``.

    state, history: of a run that has not begun; freed where a checkpoint replaces them. steps: that it makes in all.
    new_folder: (config, dataset, command) -> the folder, made. first_record: of the log, beside what tells the data.
    print_header: given the folder's name. Raises UserError where another process has it, or it cannot be written.
    """
    is_first = cluster.is_first()
    if record is None:
        out = cluster.on_first(lambda: str(new_folder(config, dataset, command)))
        config = dataclasses.replace(config, out=out)
    print_header(config.out)
    with (
        run_folder.locked(config.out) if is_first else contextlib.nullcontext(),
        Checkpoints(f"{config.out}/checkpoints", report=warn) as checkpoints,
    ):
        log_position = None
        if saved:
            restored, notes = checkpoints.restore(state)
            jax.tree.map(lambda leaf: leaf.delete(), state)  # which would lie beside it to the end
            state, history = restored, type(history).from_json(notes["history"])
            log_position = (notes["log_size"], int(state.step))
        if record is not None:
            if is_first:
                run_folder.note_resumption(record, config, command)
            beyond = f", beyond the {steps:,} asked for: it is not trained further" if state.step > steps else ""
            print(f"resuming at step {int(state.step):,}{beyond or f' of {steps:,}'}", flush=True)
        with RunLog(config.out, resume_at=log_position, report=warn) if is_first else NoLog() as log:
            about = run_folder.about(dataset)
            if not log.size:
                log.write({**first_record, **about})
                log.text("dataset", dataset.notice or dataset.source)
            resume_command = f"python -m {command} --resume --out {shlex.quote(config.out)}"
            yield OpenRun(config, state, history, log, checkpoints, resume_command, about)


def warn(message: str) -> None:
    """Says it on standard error, above a bar that may be there."""
    tqdm.write(f"warning: {message}", file=sys.stderr)
