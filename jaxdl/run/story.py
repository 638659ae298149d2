"""A run from its configuration to its report, top to bottom."""

import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from jaxdl import cluster
from jaxdl.report.console import Console
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import announcements, recorded, run_folder
from jaxdl.run.accelerators import devices_of
from jaxdl.run.budget import within_budget
from jaxdl.run.build import build, for_evaluation
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.run.config import Config
from jaxdl.run.evaluating import evaluated, validation
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.input import Feed, feed
from jaxdl.run.loading import all_unreadable_named, load_for
from jaxdl.run.network import name_of
from jaxdl.run.opened import OpenRun, has_checkpoint, open_run
from jaxdl.run.sanity_checks import before_training, print_checks
from jaxdl.run.task import Task
from jaxdl.run.training import Training
from jaxdl.train.early_stopping import stops_early
from jaxdl.train.history import History
from jaxdl.train.interrupt import Interrupted, Interruptible
from jaxdl.train.loop import fit
from jaxdl.train.state import TrainState
from jaxdl.wording import counted


def run(
    config: Config, given: frozenset[str], interrupt: Interruptible, *, command: str, task: Task = CLASSIFICATION
) -> int:
    """One run; returns the exit status.

    given: names of the flags that were given; all others may be adapted to the data. command: as it is typed behind
    ``python -m``. Raises UserError for what the user can mend, Interrupted where a signal cannot wait.
    """
    # ---- load ------------------------------------------------------------------------------------------------------
    began = time.monotonic()
    record = recorded.read_single(config.out) if config.resume else None
    if record is not None:
        recorded.check_same_task(record, task.name, config.out)
        config = recorded.resumed(record, config, given)
    devices = devices_of(config)
    if not config.check:
        announcements.print_device(devices)
    saved = record is not None and has_checkpoint(config.out)
    config, dataset = load_for(config, given, record, task=task)

    if not config.check:
        announcements.print_data(config, dataset)
        if config.budget and record is None:
            config = within_budget(config, dataset, devices, given=given, began=began, task=task)

    # ---- build -----------------------------------------------------------------------------------------------------
    with all_unreadable_named(dataset):
        ahead = not config.check and not config.cache_features
        training = build(config, dataset, devices, task=task, weights=not saved, compile_ahead=ahead)
    name = name_of(training.model, config)
    if record is not None:
        recorded.check_same_network(record, name, config.out)
    if config.check:
        return print_checks(before_training(training, dataset))

    with (
        all_unreadable_named(dataset),
        open_run(
            config,
            dataset,
            training.state,
            History(),
            steps=training.steps,
            new_folder=partial(
                run_folder.create, mean=training.mean, std=training.std, more={"network": name, "task": task.name}
            ),
            first_record={"kind": "run", "groups": training.groups},
            print_header=partial(announcements.print_header, training),
            command=command,
            record=record,
            saved=saved,
        ) as opened,
    ):
        train, test = training.train, dataset.test
        if config.cache_features:
            from jaxdl.run.cached_features import on_features

            with Heartbeat("computing features"):
                training, test = on_features(training, test, opened.state)

        # ---- fit ---------------------------------------------------------------------------------------------------
        stopped = cluster.Agreement(lambda: interrupt.requested is not None)
        with interrupt.deferred(announcements.stopping()), opened.blow_up_told():
            state = _fit(training, opened, should_stop=stopped)
        step = int(state.step)
        opened.check_saved(step)
        if stopped.settle():
            announcements.print_stopped(step, training.steps, opened.resume_command)
            return Interrupted(interrupt.requested or signal.SIGTERM).status
        if step < training.steps:
            patience = counted(config.patience, "epoch")
            print(f"no better validation {task.score.words} in {patience}: stopped at step {step:,}")

        # ---- test, once --------------------------------------------------------------------------------------------
        print(f"testing on {counted(len(dataset.test), 'image')}", flush=True)
        try:
            with Heartbeat("testing"):
                kept, figures = evaluated(training, state, test)
        except Interrupted as interrupted:
            announcements.print_stopped_testing(opened.resume_command)
            return interrupted.status
        predictions = task.predictions(kept, dataset.test.labels, dataset.classes, figures)
        summary = announcements.summary_of(training, dataset, predictions.figures, opened.history, step=step)
        reached = {name: value for name, value in summary.items() if name.startswith("test_")}
        opened.log.write({"kind": "test", "step": step, **reached})
        out = opened.config.out
        if cluster.is_first():
            run_folder.write_summary(out, summary)
            announcements.print_result(summary, out, score=task.score)

        # ---- review ------------------------------------------------------------------------------------------------
        state = devices.fetch(for_evaluation(state, config).replace(opt_state=()))
        if not cluster.is_first():
            return 0
        finished = FinishedRun(training.model, state, opened.config, recorded.read(out))
        from jaxdl.run import review  # with what reads the log, which training needs nothing of

        try:
            review.leave(finished, dataset, train, predictions, opened.log)
        except Interrupted as interrupted:
            announcements.print_stopped_reporting(out)
            return interrupted.status
    return 0


def _fit(training: Training, opened: OpenRun, *, should_stop: Callable[[], bool]) -> TrainState:
    """The state after the last update, saved; earlier if asked to stop or out of patience."""
    config, history, start = opened.config, opened.history, int(opened.state.step)

    def patience_ended() -> bool:
        patience = config.patience
        return patience is not None and stops_early(history.scores, patience=patience, mode="max")

    def on_record(record: dict[str, Any]) -> None:
        opened.log.write(record)
        console.record(record)

    with (
        Console(
            step=start, steps=training.steps, steps_per_epoch=training.steps_per_epoch, score=training.task.score
        ) as console,
        feed(training, start=start) as fed,
    ):
        return fit(
            opened.state,
            fed.train_step,
            fed.batch_at,
            steps_per_call=fed.steps_per_call,
            steps=training.steps,
            steps_per_epoch=training.steps_per_epoch,
            learning_rate=jax.jit(training.learning_rate),
            validate=validation(training, should_stop=should_stop),
            save=opened.save,
            save_every=config.checkpoint_every,
            on_step=console.step,
            on_record=on_record,
            on_epoch=_histograms(training, opened, fed) if config.histograms else lambda state, batch: None,
            should_stop=lambda: should_stop() or patience_ended(),
            history=history,
            score=training.task.score.name,
        )


def _histograms(training: Training, opened: OpenRun, fed: Feed) -> Callable[[TrainState, Any | None], None]:
    """``on_epoch`` that shows how parameters, and their gradients on the last batch, are distributed."""
    gradients_of = training.devices.compile(training.step_functions.gradient)

    def on_epoch(state: TrainState, batch: Any | None) -> None:
        shown, step = {"parameters": state.params}, int(state.step)
        if batch:
            shown["gradients"] = gradients_of(state, fed.batch_of(step - 1, batch))
        for name, tree in shown.items():
            opened.log.histograms(name, training.devices.fetch(tree), step)

    return on_epoch
