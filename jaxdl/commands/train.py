"""Train an image classifier: ``jaxdl train``, ``python -m experiments.cifar``. The whole run, top to bottom."""

import contextlib
import dataclasses
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
from tqdm import tqdm

from jaxdl import cluster, losses, metrics, optim
from jaxdl.checkpoint import Checkpoints
from jaxdl.data import augment, pipeline
from jaxdl.data.dataset import Dataset, Split, channel_statistics, train_val_split
from jaxdl.data.prefetch import Prefetch
from jaxdl.errors import UserError
from jaxdl.processes import from_first
from jaxdl.report.console import Console
from jaxdl.report.evaluation import Predictions
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.report.layers import grouped, layers
from jaxdl.report.runlog import NoLog, RunLog
from jaxdl.run import compilation_cache, flags, host_memory, review, run_folder, terminal
from jaxdl.run.accelerators import described, devices_of
from jaxdl.run.augmentation import augmentation_of, mix_of, views_of
from jaxdl.run.config import Config, parse
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.input import feeding
from jaxdl.run.loading import load, streams
from jaxdl.run.network import fitted_to_weights, frozen_patterns, model_of, start_from, weights_file
from jaxdl.run.optimization import optimizer_of, schedule_of, steps_of
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.run.sanity_checks import before_training, print_checks
from jaxdl.train import parallel
from jaxdl.train.early_stopping import stops_early
from jaxdl.train.eval_step import make_eval_step, make_predict_step
from jaxdl.train.interrupt import Interrupted, Interruptible
from jaxdl.train.loop import History, NotFiniteError, evaluate, fit, predict
from jaxdl.train.state import TrainState, create_state, parameter_count
from jaxdl.train.step import make_gradient_step, make_train_step
from jaxdl.variables import depth_of
from jaxdl.wording import counted

COMMAND = "jaxdl train"
EVAL_BATCH = 500
GROUPS = 24  # layer groups, at most, whose gradients are logged
SAMPLE = 2000  # training images that a layer initialised from data sees


def run(config: Config, given: frozenset[str], interrupt: Interruptible, command: str) -> int:
    """One run from data to summary; returns the exit status."""
    # ---- data ------------------------------------------------------------------------------------------------------
    if config.resume:
        record = run_folder.read_single(config.out)
        config = run_folder.resumed(record, config, given)
    devices = devices_of(config)
    saved = False
    if config.resume:
        saved = from_first(bool(Checkpoints(f"{config.out}/checkpoints").steps))  # else it was stopped before that
        with Heartbeat("reading the data"):
            dataset = load(config)
        run_folder.check_same_data(record, dataset)
    else:
        cluster.on_first(lambda: run_folder.refuse_existing(config))
        config = dataclasses.replace(config, stream=streams(config))  # for good, on whatever machine it is resumed
        with Heartbeat("reading the data"):
            dataset = load(config)
        config = adapt(config, dataset, given)
        config = fitted_to_weights(config, dataset, given)
    train, val = train_val_split(dataset.train, val_size=config.val_size, seed=config.seed, classes=dataset.classes)
    mean, std = channel_statistics(train.images, progress=True) if config.normalize else ((0.0,), (1.0,))
    rows = devices.padded(config.batch_size)
    batches = {"batch_size": config.batch_size, "seed": config.seed, "rows": devices.share(rows), "padded_size": rows}
    steps_per_epoch = pipeline.steps_per_epoch(len(train), config.batch_size)
    steps = min(steps_of(config, steps_per_epoch), config.steps or sys.maxsize)

    # ---- model, optimizer, state -----------------------------------------------------------------------------------
    model = model_of(config, num_classes=len(dataset.classes))
    learning_rate = schedule_of(config, steps_per_epoch)
    optimizer = optimizer_of(config, learning_rate)
    prepare = partial(augment.normalize, mean=mean, std=std)
    key, sample = jax.random.key(config.seed), prepare(train.images[:SAMPLE])
    variables = None
    if config.pretrained and not saved:
        weights = weights_file(config.pretrained, config.model, offline=config.offline)
        variables, anew = start_from(weights, model, jax.random.fold_in(key, 1), sample[:1])
        print(f"weights  {weights}" + (f"; {', '.join(anew)} for other classes: starts anew" if anew else ""))
    freeze = frozen_patterns(config.freeze, model, sample[:1])
    with Heartbeat("making the network"):
        state = devices.make(partial(create_state, model, optimizer, key, sample, variables=variables, freeze=freeze))
    depth = depth_of({"params": state.params}, most=GROUPS)
    groups = [group.name for group in grouped(layers(model, sample.shape[1:]), depth) if group.name]

    if config.check:
        about = {"prepare": prepare, "freeze": freeze, "loaded": config.pretrained is not None}
        return print_checks(before_training(model, state, dataset, train, val, **about))

    # ---- steps -----------------------------------------------------------------------------------------------------
    loss = partial(losses.cross_entropy, label_smoothing=config.label_smoothing)
    training = {
        "augment": augmentation_of(config, mean=mean, std=std),
        "mix": mix_of(config, num_classes=len(dataset.classes)),
        "accumulate": config.accumulate,
    }
    train_step = make_train_step(
        model,
        optimizer,
        loss,
        **training,
        skip_not_finite=config.on_nan == "skip",
        metrics={"accuracy": metrics.correct},
        gradient_metrics=partial(metrics.gradient_health, depth=depth),
    )
    gradient_step = make_gradient_step(model, loss, **training)
    views = views_of(config)
    eval_step = make_eval_step(
        model, losses.cross_entropy, prepare=prepare, views=views, metrics={"accuracy": metrics.correct}
    )
    predict_step = make_predict_step(model, prepare=prepare, views=views)
    eval_step, predict_step, gradient_step = map(devices.compile, (eval_step, predict_step, gradient_step))
    stopped = cluster.Agreement(lambda: interrupt.requested is not None)
    alone = jax.process_count() == 1

    @contextlib.contextmanager
    def batches_of(split: Split, doing: str) -> Iterator[Iterator[parallel.PlacedBatch]]:
        size = devices.padded(min(EVAL_BATCH, len(split)))
        count = pipeline.eval_steps(len(split), size)
        batch_at = partial(pipeline.eval_batch, split, batch_size=size, rows=devices.share(size))
        with Prefetch(batch_at, start=0, stop=count, put=partial(devices.place, examples=size)) as placed:
            yield map(placed, tqdm(range(count), doing, leave=False, disable=None, file=sys.stdout))

    def evaluated(state: TrainState) -> TrainState:
        return state if config.ema is None else state.replace(params=optim.ema_params(state.opt_state))

    def validate(state: TrainState) -> dict[str, float] | None:
        with batches_of(val, "validating") as batches:
            totals = evaluate(eval_step, evaluated(state), batches, should_stop=stopped if alone else lambda: False)
        return None if totals is None else totals.means()

    # ---- the run's folder ------------------------------------------------------------------------------------------
    if not config.resume:
        out = cluster.on_first(lambda: str(run_folder.create(config, dataset, command, mean=mean, std=std)))
        config = dataclasses.replace(config, out=out)
    resume_command = f"python -m {command} --resume --out {shlex.quote(config.out)}"
    _print_header(config, dataset, devices, train=len(train), val=len(val or ()), state=state, steps=steps)

    with (
        run_folder.held(config.out) if cluster.is_first() else contextlib.nullcontext(),
        Checkpoints(f"{config.out}/checkpoints", report=_warn) as checkpoints,
    ):
        history, log_position = History(), None
        if saved:
            state, notes = checkpoints.restore(state)
            history = History.from_json(notes["history"])
            log_position = (notes["log_size"], int(state.step))
        if config.resume:
            if cluster.is_first():
                run_folder.note_resumption(record, config, command)
            print(f"resuming at step {int(state.step):,} of {steps:,}", flush=True)
        with RunLog(config.out, resume_at=log_position, report=_warn) if cluster.is_first() else NoLog() as log:
            if not log.size:
                log.write({"kind": "run", **run_folder.about(dataset), "groups": groups})
                log.text("dataset", dataset.notice or dataset.source)

            # ---- training --------------------------------------------------------------------------------------
            def save(state: TrainState, history: History, val_accuracy: float | None) -> None:
                log.flush()  # before the checkpoint that counts its bytes
                notes = {"history": history.to_json(), "log_size": log.size, "config": dataclasses.asdict(config)}
                checkpoints.save(state, notes | run_folder.about(dataset), val_accuracy=val_accuracy)

            def on_record(record: dict) -> None:
                log.write(record)
                console.record(record)

            def on_epoch(state: TrainState, batch: Any | None) -> None:
                if not config.histograms:
                    return
                shown, step = {"parameters": state.params}, int(state.step)
                if batch:
                    shown["gradients"] = gradient_step(state, fed.batch_of(step - 1, batch))
                for name, tree in shown.items():
                    log.histograms(name, devices.fetch(tree), step)

            def patience_ended() -> bool:
                values = history.val_accuracies
                return config.patience is not None and stops_early(values, patience=config.patience, mode="max")

            with (
                Console(step=int(state.step), steps=steps, steps_per_epoch=steps_per_epoch) as console,
                feeding(
                    train_step, train, config=config, devices=devices, start=int(state.step), stop=steps, **batches
                ) as fed,
                interrupt.deferred(),
            ):
                try:
                    state = fit(
                        state,
                        fed.train_step,
                        fed.batch_at,
                        steps_per_call=fed.steps_per_call,
                        steps=steps,
                        steps_per_epoch=steps_per_epoch,
                        learning_rate=learning_rate,
                        validate=validate if val else None,
                        save=save,
                        save_every=config.checkpoint_every,
                        on_step=console.step,
                        on_record=on_record,
                        on_epoch=on_epoch,
                        should_stop=lambda: stopped() or patience_ended(),
                        history=history,
                    )
                except NotFiniteError as error:
                    log.write({"kind": "stopped", "reason": str(error)})
                    checkpoints.wait()
                    last = f"last good one: step {checkpoints.steps[-1]}" if checkpoints.steps else "none yet"
                    raise UserError(f"{error} Checkpoints in {config.out}: {last}.") from error
            checkpoints.wait()
            step = int(state.step)
            if not from_first(step in checkpoints.steps):
                last = f"the last is of step {checkpoints.steps[-1]:,}" if checkpoints.steps else "there is none"
                raise UserError(
                    f"the checkpoint of step {step:,} could not be saved; {last}. Make room, then: {resume_command}"
                )
            if stopped.settle():
                print(f"Stopped at step {step:,} of {steps:,} and saved. Continue with:\n  {resume_command}")
                return Interrupted(interrupt.requested or signal.SIGTERM).status

            if step < steps:
                patience = counted(config.patience, "epoch")
                print(f"no better validation accuracy in {patience}: stopped at step {step:,}")

            # ---- the test split, once --------------------------------------------------------------------------
            print(f"testing on {counted(len(dataset.test), 'image')}", flush=True)
            try:
                with Heartbeat("testing"), batches_of(dataset.test, "testing") as batches:
                    logits = predict(predict_step, evaluated(state), batches, examples=len(dataset.test))
            except Interrupted as interrupted:
                print(f"Stopped during the test; all training is saved. Finish with:\n  {resume_command}")
                return interrupted.status
            predictions = Predictions(logits, dataset.test.labels, dataset.classes)
            summary = {
                **run_folder.about(dataset),
                "model": config.model,
                "recipe": config.recipe,
                "parameters": parameter_count(state.variables["params"]),
                "trained_parameters": parameter_count(state.params),
                "epochs": step / steps_per_epoch,
                "steps": step,
                "skipped_updates": history.skipped_updates,
                "test_examples": len(predictions),
                "test_loss": predictions.loss,
                "test_accuracy": predictions.accuracy,
                "best_val_accuracy": history.best_val_accuracy,
                "train_seconds": history.seconds,
                "images_per_second": history.images_per_second,
                "waiting_for_data": history.waiting_for_data,
                "device": described(devices),
                "seed": config.seed,
                "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            }
            tested = {name: value for name, value in summary.items() if name.startswith("test_")}
            log.write({"kind": "test", "step": summary["steps"], **tested})
            if cluster.is_first():
                run_folder.write_summary(config.out, summary)
            _print_result(summary, config.out)

            # ---- what there is to look at ----------------------------------------------------------------------
            kept = devices.fetch(evaluated(state).replace(opt_state=()))
            if cluster.is_first():
                finished = FinishedRun(model, kept, config, run_folder.read(config.out))
                try:
                    review.leave(finished, dataset, train, predictions, log)
                except Interrupted as interrupted:
                    print(f"Stopped while the report was written; write it with:\n  {review.command(config.out)}")
                    return interrupted.status
    return 0


def main(argv: list[str] | None = None, *, command: str = COMMAND) -> int:
    """The command line; returns the exit status. command: how its user called it, behind ``python -m``."""
    host_memory.keep_freed()
    with terminal.steady(terminal.say_lost):
        try:
            with Interruptible() as interrupt:
                config, given = parse(sys.argv[1:] if argv is None else argv, RECIPES, command)
                compilation_cache.use()
                with cluster.loss_of_others_told():
                    status = run(config, given, interrupt, command)
                cluster.part()
                return status
        except UserError as error:
            print(f"error: {flags.in_flags(str(error), Config)}", file=sys.stderr)
            cluster.leave_at_once(2)
            return 2
        except Interrupted as stopped:
            print(f"\nStopped by {stopped}; training after the last checkpoint, if any, is not saved.", file=sys.stderr)
            return stopped.status


def _warn(message: str) -> None:
    tqdm.write(f"warning: {message}", file=sys.stderr)


def _print_header(
    config: Config, dataset: Dataset, devices: parallel.Devices, *, train: int, val: int, state: TrainState, steps: int
) -> None:
    if dataset.notice:
        print("!" * 100, dataset.notice, "!" * 100, sep="\n")
    total, left = parameter_count(state.variables["params"]), parameter_count(state.params)
    trained = f", {left:,} of them trained" if left < total else ""
    print(
        f"device   {described(devices)}\n"
        f"dataset  {dataset.name}: {counted(train, 'image')} to train, {val:,} to validate, "
        f"{len(dataset.test):,} to test\n"
        f"pixels   {dataset.source}\n"
        f"model    {config.model}, {total:,} parameters{trained}, {config.precision}\n"
        f"recipe   {config.recipe}: {config.optimizer}, learning rate {config.lr:g} ({config.schedule}), "
        f"batch {config.batch_size}, {counted(config.epochs, 'epoch')}, seed {config.seed}; {counted(steps, 'step')}\n"
        f"out      {config.out}",
        flush=True,
    )


def _print_result(summary: dict, out: str) -> None:
    print(
        f"test accuracy {summary['test_accuracy']:.2%} on {counted(summary['test_examples'], 'image')} of "
        f"{summary['dataset']}, loss {summary['test_loss']:.4f}, after {summary['train_seconds']:.0f} s of training\n"
        f"figures  {out}/summary.json\n"
        f"curves   tensorboard --logdir {shlex.quote(out)}",
        flush=True,
    )
    if summary["notice"]:
        print(summary["notice"], flush=True)
