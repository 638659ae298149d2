"""Many runs of ``jaxdl train`` in one program: ``python -m jaxdl sweep --lr 0.01,0.03,0.1 --seed 0:8``."""

import dataclasses
import shlex
import sys
import time
from functools import partial

import jax
import numpy as np
from tqdm import tqdm

from jaxdl.checkpoint import Checkpoints
from jaxdl.cpu import memory
from jaxdl.data import pipeline
from jaxdl.errors import UserError
from jaxdl.metrics import Mean
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.report.runlog import RunLog
from jaxdl.run import compilation_cache, flags, run_folder, stored, terminal
from jaxdl.run.accelerators import described
from jaxdl.run.build import EVAL_BATCH
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import SWEEPABLE, Config
from jaxdl.run.loading import streams
from jaxdl.run.network import fitted_to_weights
from jaxdl.run.optimization import steps_of
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.run.sweep import result
from jaxdl.run.sweep.asked import Asked, parse
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.member_data import SweepData, member_numbers, on_device, test_batch
from jaxdl.run.sweep.member_history import MemberHistory
from jaxdl.run.sweep.member_memory import check_fits
from jaxdl.run.sweep.member_steps import first_states, restored, saved, steps_of_members
from jaxdl.run.sweep.numbers import check_sweepable, optimizer_of_member
from jaxdl.run.sweep.progress import Progress, print_header, print_result
from jaxdl.run.sweep.training import most_steps, train
from jaxdl.run.task import Task
from jaxdl.train import parallel
from jaxdl.train.interrupt import Interrupted, Interruptible
from jaxdl.train.members import runs_one_by_one
from jaxdl.train.state import TrainState, parameter_count
from jaxdl.wording import counted

COMMAND = "jaxdl sweep"


def run(asked: Asked, interrupt: Interruptible, heartbeat: Heartbeat, task: Task) -> int:
    """One sweep from data to table; returns the exit status."""
    # ---- data ------------------------------------------------------------------------------------------------------
    config, grid, ensemble, given = asked
    if config.resume:
        record = run_folder.read(config.out)
        grid, ensemble = _resumed(record, config.out, asked)
        config = run_folder.resumed(record, config, given)
        saved_one = bool(Checkpoints(f"{config.out}/checkpoints").steps)  # else it was stopped before that
        dataset = task.load(config)
        run_folder.check_same_data(record, dataset)
    else:
        run_folder.refuse_existing(config)
        if streams(config):
            raise UserError("a sweep holds all pictures in memory, and these would take half of it or more.")
        saved_one, config = False, dataclasses.replace(config, stream=False)
        dataset = task.load(config)
        config = fitted_to_weights(adapt(config, dataset, given), dataset, given)
    check_sweepable(config, frozenset(grid.names))
    steps_per_epoch = pipeline.steps_per_epoch(len(dataset.train) - config.val_size, config.batch_size)
    steps = min(steps_of(config, steps_per_epoch), config.steps or sys.maxsize)

    # ---- model, members, steps -------------------------------------------------------------------------------------
    model = task.model(config, num_classes=len(dataset.classes))
    one = {name: value for name, value in grid.members[0].items() if name != "seed"}
    optimizer = optimizer_of_member(config, one, steps_per_epoch)  # whose state knows of no numbers
    check_fits(config, model, optimizer, dataset, members=len(grid))
    heartbeat.begin("drawing the first parameters")
    data = SweepData(dataset, grid, config)
    states = first_states(task, config, model, optimizer, grid, dataset, data)
    numbers = member_numbers(grid, data)
    compiled = steps_of_members(
        task, config, model, classes=len(dataset.classes), steps_per_epoch=steps_per_epoch, data=data
    )
    most = most_steps(members=len(grid), batch_size=config.batch_size, steps_per_epoch=steps_per_epoch)
    at_once = EVAL_BATCH if runs_one_by_one() else min(EVAL_BATCH, config.batch_size)

    def validate(states: TrainState) -> dict[str, np.ndarray] | None:
        size = min(at_once, data.val_examples)
        totals: dict[str, np.ndarray] = {}
        with heartbeat.during("validating"):
            for index in _bar(pipeline.eval_steps(data.val_examples, size), "validating"):
                if interrupt.requested:
                    return None
                rows, mask = data.val_batch(index, batch_size=size)
                means: dict[str, Mean] = jax.device_get(compiled.validate(states, numbers, data.device, rows, mask))
                for name, mean in means.items():
                    totals[name] = totals.get(name, 0) + np.stack([mean.total, mean.count]).astype(np.float64)
        return {name: total / count for name, (total, count) in totals.items()}

    # ---- the sweep's folder ----------------------------------------------------------------------------------------
    if not config.resume:
        first = data.by_seed[grid.seeds[0]]
        more = {"sweep": {"swept": grid.to_json(), "ensemble": ensemble}}
        out = run_folder.create(config, dataset, COMMAND, mean=first.mean, std=first.std, prefix="sweep-", more=more)
        config = dataclasses.replace(config, out=str(out))
    resume_command = f"python -m {COMMAND} --resume --out {shlex.quote(config.out)}"
    print_header(config, dataset, data, grid, parameters=parameter_count(states.params) // len(grid), steps=steps)

    with (
        run_folder.locked(config.out),
        Checkpoints(f"{config.out}/checkpoints", report=_warn) as checkpoints,
    ):
        history, log_position = MemberHistory.new(len(grid)), None
        if saved_one:
            one_step, notes = checkpoints.restore(saved(states))
            states = restored(one_step, members=len(grid))
            history = MemberHistory(**notes["history"])
            log_position = (notes["log_size"], int(one_step.step))
        if config.resume:
            run_folder.note_resumption(record, config, COMMAND)
            print(f"resuming at step {int(states.step[0]):,} of {steps:,}", flush=True)
        with RunLog(config.out, resume_at=log_position, report=_warn) as log:
            if not log.size:
                log.write({"kind": "sweep", **run_folder.about(dataset), "members": grid.members})

            # ---- training --------------------------------------------------------------------------------------
            def save(states: TrainState) -> None:
                log.flush()  # before the checkpoint that counts its bytes
                notes = {"history": history.to_json(), "log_size": log.size}
                checkpoints.save(saved(states), notes | run_folder.about(dataset))

            def on_record(record: dict) -> None:
                log.write(record)
                progress.record(record)

            with (
                Progress(
                    grid, heartbeat, step=int(states.step[0]), steps=steps, steps_per_epoch=steps_per_epoch
                ) as progress,
                interrupt.deferred(),
            ):
                states = train(
                    states,
                    compiled.train,
                    partial(data.feed, steps=most),
                    numbers=numbers,
                    data=data.device,
                    steps=steps,
                    steps_per_epoch=steps_per_epoch,
                    most=most,
                    batch_size=config.batch_size,
                    validate=validate if data.val_examples else None,
                    save=save,
                    on_steps=progress.steps,
                    on_record=on_record,
                    should_stop=lambda: interrupt.requested is not None,
                    history=history,
                )
            checkpoints.wait()
            step = int(states.step[0])
            if step not in checkpoints.steps:
                raise UserError(
                    f"the checkpoint of step {step:,} could not be saved. Make room, then: {resume_command}"
                )
            if interrupt.requested:
                print(f"Stopped at step {step:,} of {steps:,} and saved. Continue with:\n  {resume_command}")
                return Interrupted(interrupt.requested).status

            # ---- the test split, once --------------------------------------------------------------------------
            heartbeat.begin(f"testing on {counted(len(dataset.test), 'image')}", told=True)
            alive = np.array([place is None for place in history.diverged])
            sums = result.PredictionSums(grid, alive=alive, ensemble=ensemble)
            size, test = min(at_once, len(dataset.test)), on_device(dataset.test)
            try:
                for index in _bar(pipeline.eval_steps(len(dataset.test), size), "testing"):
                    rows, mask = test_batch(index, examples=len(dataset.test), members=len(grid), batch_size=size)
                    logits = np.asarray(compiled.predict(states, numbers, test, rows, mask))
                    sums.add(logits[:, mask], dataset.test.labels[rows[0, mask]])
            except Interrupted as interrupted:
                print(f"Stopped during the test; all training is saved. Finish with:\n  {resume_command}")
                return interrupted.status
        heartbeat.begin("writing the figures")
        tested = sums.result()
        rows = result.rows_of(grid, history, tested)

        # ---- what came of it ---------------------------------------------------------------------------------------
        summary = {
            **run_folder.about(dataset),
            "model": config.model,
            "recipe": config.recipe,
            "parameters": parameter_count(states.params) // len(grid),
            "members": len(grid),
            "seeds": len(grid.seeds),
            "epochs": step / steps_per_epoch,
            "steps": step,
            "val_examples": data.val_examples,
            "test_examples": len(dataset.test),
            "configurations": result.configurations_json(rows),
            "ensemble_test_accuracy": tested.ensemble,
            "diverged": int((~alive).sum()),
            "train_seconds": history.seconds,
            "images_per_second": history.images_per_second,
            "device": described(parallel.single()),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        result.write_members(config.out, grid, history, tested)
        drawn = config.report and result.write_curves(
            config.out, grid, rows, run_folder.records(config.out, members=True), history.diverged
        )
        run_folder.write_summary(config.out, summary)
        result.print_table(grid, rows, tested)
        print_result(summary, config.out, drawn=drawn)
    return 0


def main(argv: list[str] | None = None, *, task: Task = CLASSIFICATION) -> int:
    """The command line; returns the exit status."""
    memory.keep_freed()
    with terminal.steady(terminal.say_lost):
        try:
            with Interruptible() as interrupt, Heartbeat("reading the data") as heartbeat:
                asked = parse(sys.argv[1:] if argv is None else argv, RECIPES, COMMAND)
                compilation_cache.use()
                return run(asked, interrupt, heartbeat, task)
        except UserError as error:
            print(f"error: {flags.in_flags(str(error), Config)}", file=sys.stderr)
            return 2
        except Interrupted as stopped:
            print(f"\nStopped by {stopped}; training after the last checkpoint, if any, is not saved.", file=sys.stderr)
            return stopped.status


def _resumed(record: dict, out: str, asked: Asked) -> tuple[Grid, bool]:
    """The members that the folder's sweep has, and whether their averaged predictions are tested."""
    try:
        swept, ensemble = record["sweep"]["swept"], bool(record["sweep"]["ensemble"])
    except (KeyError, TypeError):
        raise UserError(f"the run in {out} is no sweep. Continue it with jaxdl train.") from None
    if not stored.fits(swept, dict[str, list[float]]) or not swept.keys() <= set(SWEEPABLE):
        raise UserError(f"{out}/config.json is not as this program writes it: it sweeps {swept!r:.60}.")
    grid = Grid.from_json(swept, seed=record["config"].get("seed", 0))
    if asked.grid.swept and asked.grid.to_json() != grid.to_json():
        raise UserError(
            f"the sweep in {out} has other values ({_said(grid)}). Leave them out to continue it, or start a new one."
        )
    return grid, ensemble or asked.ensemble


def _said(grid: Grid) -> str:
    return ", ".join(f"{name} {','.join(f'{value:g}' for value in values)}" for name, values in grid.swept.items())


def _bar(count: int, doing: str) -> tqdm:
    return tqdm(range(count), doing, leave=False, disable=None, file=sys.stdout)


def _warn(message: str) -> None:
    tqdm.write(f"warning: {message}", file=sys.stderr)
