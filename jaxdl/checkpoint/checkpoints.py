"""Checkpoints of the whole train state. The only file that knows Orbax."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl import disk
from jaxdl.checkpoint import manifest, noise
from jaxdl.checkpoint.checksum import checksums
from jaxdl.checkpoint.leaves import data_of, described, named, with_data
from jaxdl.checkpoint.manifest import DamagedError, Manifest
from jaxdl.errors import UserError, to_stderr
from jaxdl.processes import from_all, from_first
from jaxdl.train.state import TrainState

UNFINISHED = ".unfinished."  # in the name of what is being written or removed, before a time
LONGEST_WRITE = 3_600_000  # ms that a process waits for the others to write their parts


class Checkpoints:
    """The checkpoints of one run: the last two, and the best by its validation.

    Saving is asynchronous: ``save`` returns once the state is copied, and the files appear in one rename. The caller's
    notes, any JSON, and a checksum of every array are saved with the state. Use it as a context manager, or call
    ``close``, which waits for pending writes. Nothing in the folder changes before the first ``save``.

    keep_last: at least 1. report: called with a line for each checkpoint that could not be written, or that is damaged
    and skipped.

    In a run of several processes each calls ``save``, ``restore``, ``wait`` and ``close``, in the same order. They
    write a checkpoint together, to a folder that all of them see, and the first of them reports.
    """

    def __init__(self, directory: str | Path, *, keep_last: int = 2, report: Callable[[str], None] = to_stderr):
        self._directory = Path(directory).resolve()
        self._keep_last = keep_last
        self._report_to = report
        import orbax.checkpoint as ocp  # here, as no command needs it before it trains

        self._orbax, self._arrays = ocp, ocp.PyTreeCheckpointHandler()
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing: tuple[int, Future] | None = None
        self._damaged: set[int] = set()
        noise.silence_orbax(UNFINISHED)

    @property
    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, oldest first, without those that ``restore`` found damaged."""
        return [step for step in self._on_disk() if step not in self._damaged]

    @property
    def best_step(self) -> int | None:
        """Step of the checkpoint of the highest score, the newest of equals; None if none was measured."""
        measured = ((manifest.score(self._folder(step)), step) for step in self.steps)
        return max(((score, step) for score, step in measured if score is not None), default=(None, None))[1]

    def save(self, state: TrainState, notes: dict, *, score: float | None = None) -> None:
        """Saves under ``state.step``; does nothing if that step is there already, unless ``restore`` found it damaged.

        score: of the validation, higher is better; None if not measured. A failed write (a full disk, say) raises
        nothing: it is reported at once or by the next call, and ``steps`` after ``wait`` lists what was saved. Older
        checkpoints stay until a newer one is complete.
        """
        self.wait()
        step = int(state.step)
        notes_text = json.dumps(notes)
        if from_first(step in self.steps):
            return
        folder, failure = from_first(self._begin(step) if jax.process_index() == 0 else None)
        if failure:
            self._report_unsaved(step, failure)
            return
        leaves = named(state)
        arrays = {name: _copied(data_of(leaf)) for name, leaf in leaves.items() if leaf.size}  # the caller donates his
        sums = dict(zip(arrays, checksums(list(arrays.values())), strict=True))
        written = Manifest(described(leaves), sums, notes_text, None if score is None else float(score))
        self._writing = step, self._writer.submit(self._write, Path(folder), step, arrays, written)

    def restore(self, like: TrainState, *, step: int | None = None) -> tuple[TrainState, dict]:
        """The state and notes of ``step``, by default of the newest undamaged checkpoint.

        like: a state of the same structure, whose arrays give shape, dtype and sharding; the devices that it was saved
        from do not matter. A damaged checkpoint is reported, and the one before it restored. Raises UserError if
        there is no checkpoint, if ``step`` or every checkpoint is damaged, or if the model or optimizer differs.
        """
        self.wait()
        there = from_first(self._on_disk())
        if not there or step not in (None, *there):
            wanted = "" if step is None else f" of step {step}"
            raise UserError(f"there is no checkpoint{wanted} in {self._directory}{_others(there)}.")
        found = {}
        for candidate in reversed(there) if step is None else [step]:
            try:
                restored = self._read(self._folder(candidate), like)
            except DamagedError as damage:
                self._damaged.add(candidate)
                found[candidate] = damage
                continue
            self._damaged.discard(candidate)
            for other, damage in found.items():
                self._report(
                    f"the checkpoint {self._folder(other)} is damaged ({damage}); using the one of step {candidate}."
                )
            return restored
        if step is not None:
            raise UserError(f"the checkpoint {self._folder(step)} is damaged ({found[step]}){_others(self.steps)}.")
        each = "; ".join(f"step {other}: {damage}" for other, damage in found.items())
        raise UserError(f"every checkpoint in {self._directory} is damaged ({each}).")

    def wait(self) -> None:
        """Waits until every ``save`` is on disk, or its failure reported."""
        if self._writing is None:
            return
        step, job = self._writing
        error = job.exception()
        self._writing = None
        # What a disk refuses, which Orbax has as ValueError, or as RuntimeError from its threads.
        if error is not None and not isinstance(error, OSError | ValueError | RuntimeError):
            raise error
        failure = from_first(error and manifest.why(error))
        if failure:
            self._report_unsaved(step, failure)
        else:
            self._damaged.discard(step)

    def close(self) -> None:
        """Waits for pending writes and ends the writer's thread."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()
            self._arrays.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _report(self, line: str) -> None:
        if jax.process_index() == 0:
            self._report_to(line)

    def _report_unsaved(self, step: int, failure: str) -> None:
        newest = f"the newest on disk is of step {self.steps[-1]}" if self.steps else "there is none on disk yet"
        self._report(f"the checkpoint of step {step} could not be saved ({failure}); training goes on, {newest}.")

    def _folder(self, step: int) -> Path:
        return self._directory / str(step)

    def _on_disk(self) -> list[int]:
        try:
            return sorted(int(name) for name in os.listdir(self._directory) if re.fullmatch("[0-9]+", name))
        except OSError:
            return []

    def _begin(self, step: int) -> tuple[str, str | None]:
        """Removes what killed processes left and makes the folder to write to: its name, or else why there is none."""
        folder = self._unfinished(step)
        try:
            for left in self._directory.glob(f"*{UNFINISHED}*"):
                shutil.rmtree(left, ignore_errors=True)
            folder.mkdir(parents=True)
        except OSError as error:
            return "", manifest.why(error)
        return str(folder), None

    def _unfinished(self, step: int) -> Path:
        return self._directory / f"{step}{UNFINISHED}{time.time_ns()}"

    def _write(self, folder: Path, step: int, arrays: dict[str, jax.Array], written: Manifest) -> None:
        """Writes this process's part; the first one makes a checkpoint of the parts. Runs in the writer's thread."""
        marks = [folder / f"written_by_{process}" for process in range(jax.process_count())]
        try:
            try:
                stored = {name: array for name, array in arrays.items() if array.size}
                self._arrays.save(_state(folder), args=self._orbax.args.PyTreeSave(stored))
                marks[jax.process_index()].touch()
            finally:
                self._orbax.multihost.get_barrier_sync_fn()(key=folder.name, timeout_ms=LONGEST_WRITE)
            if jax.process_index() == 0:
                for process, mark in enumerate(marks):
                    if not mark.exists():
                        raise OSError(f"process {process} could not write its part")
                    mark.unlink()
                self._arrays.finalize(_state(folder))
                written.write(folder)
                self._put_in_place(folder, step)
        finally:
            if jax.process_index() == 0:
                shutil.rmtree(folder, ignore_errors=True)

    def _put_in_place(self, folder: Path, step: int) -> None:
        if step in self._damaged:
            self._remove(step)
        disk.put(folder, self._folder(step))
        self._damaged.discard(step)
        kept = {step, self.best_step, *self.steps[-self._keep_last :]}
        for old in set(self._on_disk()) - kept:
            with contextlib.suppress(OSError):
                self._remove(old)

    def _remove(self, step: int) -> None:
        """Renames first: a checkpoint is never half there."""
        aside = self._folder(step).rename(self._unfinished(step))
        shutil.rmtree(aside, ignore_errors=True)

    def _read(self, folder: Path, like: TrainState) -> tuple[TrainState, dict]:
        """Raises DamagedError, or UserError if it does not fit ``like``, in all processes alike."""
        saved = manifest.read(folder)
        leaves = named(like)
        saved.check_fits(described(leaves), folder)
        arrays, damage = self._read_arrays(folder, {name: leaf for name, leaf in leaves.items() if leaf.size})
        damages = [damage for damage in from_all(damage) if damage]
        if damages:
            raise DamagedError(damages[0])
        sums = dict(zip(arrays, checksums(list(arrays.values())), strict=True))
        for name, total in jax.device_get(sums).items():
            if total != saved.sums[name]:
                raise DamagedError(f"state: {name} does not have the checksum it was saved with")
        restored = [with_data(leaf, arrays.get(name)) for name, leaf in leaves.items()]
        return jax.tree.unflatten(jax.tree.structure(like), restored), json.loads(saved.notes)

    def _read_arrays(self, folder: Path, leaves: dict[str, jax.Array]) -> tuple[dict[str, jax.Array], str | None]:
        """The data of ``leaves`` by name, in their shardings, or else what is wrong with it."""
        wanted = {name: jax.eval_shape(data_of, leaf) for name, leaf in leaves.items()}
        how = {
            name: self._orbax.ArrayRestoreArgs(
                restore_type=jax.Array, sharding=leaves[name].sharding, global_shape=data.shape, dtype=data.dtype
            )
            for name, data in wanted.items()
        }
        try:
            arrays = self._arrays.restore(
                _state(folder), args=self._orbax.args.PyTreeRestore(item=wanted, restore_args=how)
            )
            for name, data in wanted.items():
                if (arrays[name].shape, arrays[name].dtype) != (data.shape, data.dtype):
                    raise ValueError(f"{name} has another shape or dtype than it was saved with")
        except jax.errors.JaxRuntimeError:  # not the files' fault: a device is out of memory
            raise
        except Exception as error:
            return {}, f"state: {manifest.why(error).replace(f'{folder}/', '')}"
        return arrays, None


def _state(folder: Path) -> Any:
    """Where Orbax puts the arrays, in the type it takes."""
    from etils import epath

    return epath.Path(folder, "state")


def _others(steps: list[int]) -> str:
    """List of the other steps, as the end of a sentence."""
    return f"; there are those of steps {', '.join(map(str, steps))}" if steps else ""


def _copied(array: jax.Array) -> jax.Array:
    """A copy with the same sharding, made by no program where one process has all of it."""
    return jax.device_put(array, array.sharding, may_alias=False) if array.is_fully_addressable else jnp.copy(array)
