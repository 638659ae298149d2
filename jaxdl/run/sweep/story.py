"""A sweep from its flags to its table, top to bottom: the story of a run, of many members at once."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import announcements, recorded, run_folder, stored
from jaxdl.run.accelerators import described
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import SWEEPABLE, Config
from jaxdl.run.evaluating import bar
from jaxdl.run.loading import load_for
from jaxdl.run.network import name_of
from jaxdl.run.opened import OpenRun, has_checkpoint, open_run
from jaxdl.run.sweep import result
from jaxdl.run.sweep.asked import Asked
from jaxdl.run.sweep.build import MemberTraining, build_members
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.progress import Progress, print_header, print_result
from jaxdl.run.task import Task
from jaxdl.train import parallel
from jaxdl.train.interrupt import Interrupted, Interruptible
from jaxdl.train.loop import evaluate, fit
from jaxdl.train.member_history import MemberHistory, Series
from jaxdl.train.state import TrainState, parameter_count
from jaxdl.wording import counted


def run(asked: Asked, interrupt: Interruptible, *, command: str, task: Task = CLASSIFICATION) -> int:
    """One sweep; returns the exit status. Otherwise as ``jaxdl.run.story.run``."""
    # ---- load ------------------------------------------------------------------------------------------------------
    config, grid, ensemble, given = asked
    record = recorded.read(config.out) if config.resume else None
    if record is not None:
        grid, ensemble = _resumed(record, config.out, asked)
        config = recorded.resumed(record, config, given)
    saved = record is not None and has_checkpoint(config.out)
    config, dataset = load_for(config, given, record, task=task._replace(load=partial(_whole, task)))

    # ---- build -----------------------------------------------------------------------------------------------------
    with Heartbeat("drawing the first parameters"):
        members = build_members(config, grid, dataset, task=task)

    first = members.data.by_seed[grid.seeds[0]]
    new_folder = partial(
        run_folder.create,
        prefix="sweep-",
        more={"sweep": {"swept": grid.to_json(), "ensemble": ensemble}},
        mean=first.mean,
        std=first.std,
    )
    with open_run(
        config,
        dataset,
        members.states,
        MemberHistory.new(len(grid)),
        steps=members.steps,
        new_folder=new_folder,
        first_record={"kind": "sweep", "members": grid.members},
        print_header=partial(print_header, members, dataset),
        command=command,
        record=record,
        saved=saved,
    ) as opened:
        # ---- fit ---------------------------------------------------------------------------------------------------
        should_stop = lambda: interrupt.requested is not None  # noqa: E731
        with interrupt.deferred(announcements.stopping()):
            states = _fit(members, opened, should_stop=should_stop)
        step = int(states.step)
        opened.check_saved(step)
        if should_stop():
            announcements.print_stopped(step, members.steps, opened.resume_command)
            return Interrupted(interrupt.requested).status

        # ---- test, once --------------------------------------------------------------------------------------------
        print(f"testing on {counted(len(dataset.test), 'image')}", flush=True)
        sums = result.PredictionSums(grid, alive=opened.history.alive, ensemble=ensemble)
        try:
            with Heartbeat("testing"):
                for outputs, labels in bar(members.outputs(states, dataset), "testing"):
                    sums.add(outputs, labels)
        except Interrupted as interrupted:
            announcements.print_stopped_testing(opened.resume_command)
            return interrupted.status

        # ---- review ------------------------------------------------------------------------------------------------
        tested, out = sums.result(), opened.config.out
        rows = result.rows_of(grid, opened.history, tested)
        summary = _summary_of(members, dataset, opened.history, rows, tested, step=step)
        result.write_members(out, grid, opened.history, tested)
        records = recorded.records(out, members=True)
        drawn = config.report and result.write_curves(out, grid, rows, records, opened.history.diverged)
        run_folder.write_summary(out, summary)
        result.print_table(grid, rows, tested)
        print_result(summary, out, drawn=drawn)
    return 0


def _fit(members: MemberTraining, opened: OpenRun, *, should_stop: Callable[[], bool]) -> TrainState:
    """The states after the last update, saved; earlier if asked to stop."""

    def on_record(record: dict[str, Any]) -> None:
        opened.log.write(record)
        progress.record(record)

    with Progress(
        members.grid, step=int(opened.state.step), steps=members.steps, steps_per_epoch=members.steps_per_epoch
    ) as progress:
        return fit(
            opened.state,
            members.train_step,
            members.feed,
            steps_per_call=members.steps_per_call,
            steps=members.steps,
            steps_per_epoch=members.steps_per_epoch,
            validate=_validation(members, opened.history, should_stop=should_stop),
            save=lambda states, history, _: opened.save(states, history, None),
            log_every=None,
            on_step=progress.step,
            on_record=on_record,
            should_stop=should_stop,
            history=opened.history,
        )


def _validation(
    members: MemberTraining, history: MemberHistory, *, should_stop: Callable[[], bool]
) -> Callable[[TrainState], dict[str, Series] | None]:
    """``validate(states) -> means of the metrics by member``, None of those that have diverged."""

    def validate(states: TrainState) -> dict[str, Series] | None:
        batches = bar(members.val_batches(), "validating")
        totals = evaluate(members.eval_step, states, batches, should_stop=should_stop)
        if totals is None:
            return None
        history.check_params(int(states.step), states.params)
        return {name: history.known(means) for name, means in totals.means().items()}

    return validate


def _whole(task: Task, config: Config) -> Dataset:
    if config.stream:
        raise UserError("a sweep holds all pictures in memory, and these would take half of it or more.")
    return task.load(config)


def _resumed(record: dict[str, Any], out: str, asked: Asked) -> tuple[Grid, bool]:
    """The members that the folder's sweep has, and whether their averaged predictions are tested."""
    try:
        swept, ensemble = record["sweep"]["swept"], bool(record["sweep"]["ensemble"])
    except (KeyError, TypeError):
        raise UserError(f"the run in {out} is no sweep. Continue it with jaxdl train.") from None
    if not stored.fits(swept, dict[str, list[float]]) or not swept.keys() <= set(SWEEPABLE):
        raise UserError(f"{out}/config.json is not as this program writes it: it sweeps {swept!r:.60}.")
    grid = Grid.from_json(swept, seed=record["config"].get("seed", 0))
    named = asked.given & (grid.swept.keys() | asked.grid.swept.keys())
    if named and asked.grid.to_json() != grid.to_json():
        said = ", ".join(f"{name} {','.join(f'{value:g}' for value in values)}" for name, values in grid.swept.items())
        raise UserError(
            f"the sweep in {out} has other values ({said}). Leave them out to continue it, or start a new one."
        )
    return grid, ensemble or asked.ensemble


def _summary_of(
    members: MemberTraining,
    dataset: Dataset,
    history: MemberHistory,
    rows: list[result.Row],
    tested: result.Measured,
    *,
    step: int,
) -> dict[str, Any]:
    config, grid = members.config, members.grid
    return {
        **run_folder.about(dataset),
        "model": name_of(members.model, config),
        "recipe": config.recipe,
        "parameters": parameter_count(members.states.params) // len(grid),
        "members": len(grid),
        "seeds": len(grid.seeds),
        "epochs": step / members.steps_per_epoch,
        "steps": step,
        "val_examples": members.data.val_examples,
        "test_examples": len(dataset.test),
        "configurations": result.configurations_json(rows),
        "ensemble_test_accuracy": tested.ensemble,
        "diverged": int(np.sum(~history.alive)),
        "train_seconds": history.seconds,
        "images_per_second": history.images_per_second,
        "device": described(parallel.single()),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
