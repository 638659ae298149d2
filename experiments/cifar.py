"""Train an image classifier on CIFAR-10: ``python -m experiments.cifar``. Read it from ``run`` down."""

import dataclasses
import json
import os
import shlex
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp

from experiments.config import RESUMABLE, Config, flag_name, parse, stored_path
from experiments.recipes import RECIPES, adapt
from jaxdl import losses, metrics, models, optim
from jaxdl.checkpoint import Checkpoints
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.dataset import Dataset, channel_statistics, train_val_split
from jaxdl.errors import UserError
from jaxdl.report.console import Console
from jaxdl.report.runlog import RunLog
from jaxdl.train.interrupt import Interrupted, Interruptible
from jaxdl.train.loop import History, NotFiniteError, evaluate, fit
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_eval_step, make_train_step

COMMAND = "experiments.cifar"
EVAL_BATCH = 500
SAMPLE = 2000  # training images that a data-dependent first layer sees


def run(config: Config, given: frozenset[str], interrupt: Interruptible) -> int:
    """One run from data to summary; returns the exit status."""
    # ---- data
    record = _stored_run(config, given) if config.resume else None
    if record:
        config = _resumed(config, record, given)
    elif config.out and Path(config.out).exists():
        raise UserError(f"--out {config.out} exists. Name another folder, or add --resume to continue the run in it.")
    dataset = sources.load(config.dataset, config.data_dir, offline=config.offline, progress=True)
    if record:
        _check_same_data(record, dataset)
    else:
        config = adapt(config, dataset, given)
    train, val = train_val_split(dataset.train, val_size=config.val_size, seed=config.seed)
    mean, std = channel_statistics(train.images) if config.normalize else ((0.0,), (1.0,))
    batch_at = partial(pipeline.train_batch, train, batch_size=config.batch_size, seed=config.seed)
    steps_per_epoch = pipeline.steps_per_epoch(len(train), config.batch_size)
    steps = min(config.epochs * steps_per_epoch, config.steps or sys.maxsize)

    # ---- model, optimizer, state
    dtype = {"f32": jnp.float32, "bf16": jnp.bfloat16}[config.precision]
    model = models.create(config.model, num_classes=len(dataset.classes), dtype=dtype)
    learning_rate = optim.schedule(
        config.schedule,
        learning_rate=config.lr,
        steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
    )
    optimizer = optim.create(
        config.optimizer,
        learning_rate=learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
    )
    prepare = partial(augment.normalize, mean=mean, std=std)
    state = create_state(model, optimizer, jax.random.key(config.seed), prepare(train.images[:SAMPLE]))

    # ---- steps
    train_step = make_train_step(
        model,
        optimizer,
        partial(losses.cross_entropy, label_smoothing=config.label_smoothing),
        augment=augment.pipeline(
            mean=mean,
            std=std,
            flip_images=config.flip,
            crop_padding=config.crop_padding,
            cutout_size=config.cutout,
        ),
        metrics={"accuracy": metrics.correct},
    )
    eval_step = make_eval_step(
        model,
        losses.cross_entropy,
        prepare=prepare,
        views=(augment.mirror,) if config.test_flip else (),
        metrics={"accuracy": metrics.correct},
    )

    def measure(state, split):
        return evaluate(eval_step, state, pipeline.eval_batches(split, batch_size=min(EVAL_BATCH, len(split))))

    # ---- the run's folder
    out = Path(config.out) if config.out else _new_folder(config, dataset)
    config = dataclasses.replace(config, out=str(out))
    _print_header(config, dataset, len(train), len(val or ()), parameter_count(state.params), steps)
    if not record:
        out.mkdir(parents=True)
        _write_json(out / "config.json", _run_record(config, dataset))
    with Checkpoints(out / "checkpoints") as checkpoints:
        history, log_position = History(), None
        if record:
            state, notes = checkpoints.restore(state)
            history = History.from_json(notes["history"])
            log_position = (notes["log_size"], int(state.step))
            print(f"Resuming at step {int(state.step)}.", flush=True)
        with RunLog(out, resume_at=log_position) as log:
            if not record:
                log.write({"kind": "run", "dataset": dataset.name, "dataset_source": dataset.source, "notice": dataset.notice})
                log.text("dataset", dataset.notice or dataset.source)

            # ---- training
            def save(state, history, val_accuracy):
                notes = {"history": history.to_json(), "log_size": log.size, "config": dataclasses.asdict(config)}
                checkpoints.save(state, notes | _about(dataset), val_accuracy=val_accuracy)

            with (
                Console(step=int(state.step), steps=steps, steps_per_epoch=steps_per_epoch) as console,
                interrupt.deferred(),
            ):
                def on_record(entry):
                    log.write(entry)
                    console.record(entry)

                try:
                    state = fit(
                        state,
                        train_step,
                        batch_at,
                        steps=steps,
                        steps_per_epoch=steps_per_epoch,
                        learning_rate=learning_rate,
                        validate=(lambda state: measure(state, val).means()) if val else None,
                        save=save,
                        save_every=config.checkpoint_every,
                        on_step=console.step,
                        on_record=on_record,
                        should_stop=lambda: interrupt.requested is not None,
                        history=history,
                    )
                except NotFiniteError as error:
                    checkpoints.wait()
                    good = f"The last good checkpoint is step {checkpoints.steps[-1]}." if checkpoints.steps else "No checkpoint had been saved."
                    raise UserError(f"{error} {good}") from error
            checkpoints.wait()
            resume = f"python -m {COMMAND} --resume --out {shlex.quote(str(out))}"
            if interrupt.requested and int(state.step) < steps:
                print(f"Stopped at step {int(state.step)} of {steps}, saved. Continue with:\n  {resume}", flush=True)
                return Interrupted(interrupt.requested).status

            # ---- the test split, once
            try:
                test = measure(state, dataset.test)
            except Interrupted as stopped:
                print(f"Stopped before the test was finished; training is saved. Finish with:\n  {resume}", flush=True)
                return stopped.status
            summary = _summary(config, dataset, state, history, steps_per_epoch, test)
            log.write({"kind": "test", **{name: summary[name] for name in ("steps", "test_loss", "test_accuracy", "test_examples")}})
        _write_json(out / "summary.json", summary)
    _print_result(summary, dataset, out)
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    try:
        with Interruptible() as interrupt:
            config, given = parse(sys.argv[1:] if argv is None else argv, RECIPES, COMMAND)
            return run(config, given, interrupt)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(f"Stopped by {stopped}; nothing was saved since the last checkpoint.", file=sys.stderr)
        return stopped.status


# ---- resuming


def _stored_run(config: Config, given: frozenset[str]) -> dict:
    if not config.out:
        raise UserError("--resume needs --out: the folder of the run to continue.")
    path = Path(config.out) / "config.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"there is no run to resume in {config.out} (no config.json). Without --resume a new one starts.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({error}).") from error


def _resumed(config: Config, record: dict, given: frozenset[str]) -> Config:
    """The stored configuration, with those given flags that a resumed run may change."""
    try:
        stored = Config(**record["config"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{config.out}/config.json is not a run's configuration of this version ({error}).") from error
    for name in sorted(given - set(RESUMABLE)):
        before, now = getattr(stored, name), getattr(config, name)
        if now != before and (name, now) != ("dataset", "auto"):
            raise UserError(
                f"the run in {config.out} was made with {flag_name(name)} {before}, not {now}. "
                "Leave the flag out to continue it, or start a new run in another --out."
            )
    return dataclasses.replace(stored, **{name: getattr(config, name) for name in given & set(RESUMABLE)})


def _check_same_data(record: dict, dataset: Dataset) -> None:
    if record["dataset_fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"the run was made on {record['dataset_source']}; what is there now ({dataset.source}) holds other images. "
            "Name the first with --data-dir."
        )


# ---- what is written and printed


def _about(dataset: Dataset) -> dict:
    return {
        "dataset": dataset.name,
        "dataset_source": dataset.source,
        "dataset_fingerprint": dataset.fingerprint,
        "notice": dataset.notice,
    }


def _run_record(config: Config, dataset: Dataset) -> dict:
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    stored = dataclasses.replace(
        config, dataset=dataset.name, data_dir=stored_path(config.data_dir), out=stored_path(config.out), resume=False
    )
    return {
        "command": shlex.join(["python", "-m", COMMAND, *sys.argv[1:]]),
        **_about(dataset),
        "dataset_requested": config.dataset,
        "config": dataclasses.asdict(stored),
        "versions": {name: version(name) for name in packages},
    }


def _summary(config, dataset, state, history, steps_per_epoch, test) -> dict:
    means = test.means()
    return {
        **_about(dataset),
        "model": config.model,
        "recipe": config.recipe,
        "parameters": parameter_count(state.params),
        "epochs": int(state.step) / steps_per_epoch,
        "steps": int(state.step),
        "test_examples": test.count("loss"),
        "test_accuracy": means["accuracy"],
        "test_loss": means["loss"],
        "best_val_accuracy": history.best_val_accuracy,
        "train_seconds": history.seconds,
        "images_per_second": history.images_per_second,
        "device": _device(),
        "seed": config.seed,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _device() -> str:
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"CPU, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    return f"{device.platform.upper()}, {device.device_kind}"


def _new_folder(config: Config, dataset: Dataset) -> Path:
    """``runs/<dataset>-<recipe>-<time>``, with a number behind it if two runs start in one second."""
    name = f"{dataset.name}-{config.recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
    candidates = [Path("runs", name), *(Path("runs", f"{name}-{number}") for number in range(2, 100))]
    return next(path for path in candidates if not path.exists())


def _write_json(path: Path, content: dict) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)


def _print_header(config, dataset, train_size, val_size, parameters, steps) -> None:
    if dataset.notice:
        width = min(100, max(40, len(dataset.notice)))
        print("!" * width, dataset.notice, "!" * width, sep="\n")
    rows = {
        "device": _device(),
        "dataset": f"{dataset.name}: {train_size:,} to train, {val_size:,} to validate, {len(dataset.test):,} to test",
        "pixels": dataset.source,
        "model": f"{config.model}, {parameters:,} parameters, {config.precision}",
        "recipe": f"{config.recipe}: {config.optimizer}, lr {config.lr:g} ({config.schedule}), batch {config.batch_size}, "
        f"{config.epochs} epochs, {steps:,} steps, seed {config.seed}",
        "out": config.out,
    }
    print("\n".join(f"{name:<8} {text}" for name, text in rows.items()), flush=True)


def _print_result(summary: dict, dataset: Dataset, out: Path) -> None:
    print(
        f"test accuracy {summary['test_accuracy']:.2%} on {summary['test_examples']:,} images of {dataset.name}, "
        f"loss {summary['test_loss']:.4f}, after {summary['train_seconds']:.0f} s of training"
    )
    print(f"{out}/summary.json holds the figures; curves: tensorboard --logdir {out}", flush=True)
    if dataset.notice:
        print(dataset.notice, flush=True)


if __name__ == "__main__":
    sys.exit(main())
