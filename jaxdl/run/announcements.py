"""First and last lines of a run on its terminal."""

import shlex
import time
from collections.abc import Mapping
from typing import Any

from jaxdl import cluster
from jaxdl.data.dataset import Dataset
from jaxdl.run import run_folder
from jaxdl.run.accelerators import described
from jaxdl.run.config import Config
from jaxdl.run.network import name_of, told
from jaxdl.run.task import Score
from jaxdl.run.training import Training
from jaxdl.train import parallel
from jaxdl.train.history import History
from jaxdl.train.state import parameter_count
from jaxdl.wording import counted


def print_device(devices: parallel.Devices) -> None:
    """The first line of a run, as soon as it is known."""
    print(f"device   {described(devices)}", flush=True)


def print_data(config: Config, dataset: Dataset) -> None:
    """The data, before a network is made for it."""
    if dataset.notice:
        print("!" * 100, dataset.notice, "!" * 100, sep="\n")
    held_out = config.val_size if dataset.val is None else 0
    print(
        f"dataset  {dataset.name}: {counted(len(dataset.train) - held_out, 'image')} to train, "
        f"{config.val_size:,} to validate, {len(dataset.test):,} to test\n"
        f"pixels   {dataset.source}",
        flush=True,
    )


def print_header(training: Training, out: str) -> None:
    """Network and recipe, before the first update."""
    config, state = training.config, training.state
    total, left = parameter_count(state.variables["params"]), parameter_count(state.params)
    trained = f", {left:,} of them trained" if left < total else ""
    print(
        f"model    {told(training.model, config)}, {total:,} parameters{trained}, {config.precision}\n"
        f"recipe   {config.recipe}: {config.optimizer}, learning rate {config.lr:g} ({config.schedule}), "
        f"batch {config.batch_size}, {counted(config.epochs, 'epoch')}, seed {config.seed}{loss_words(config)}; "
        f"{counted(training.steps, 'step')}\n"
        f"out      {out}",
        flush=True,
    )


def loss_words(config: Config) -> str:
    """``, loss focal, labels smoothed by 0.1``: what training minimises where it is not the cross entropy as it is."""
    smoothed = f", labels smoothed by {config.label_smoothing:g}" if config.label_smoothing else ""
    return ("" if config.loss == "cross_entropy" else f", loss {config.loss}") + smoothed


def stopping() -> str:
    """Answer to a first Ctrl-C, given at once by the first process: the update in hand may still be compiled."""
    words = "Stopping after this update, which may have to be compiled first; once more stops at once, unsaved."
    return words if cluster.is_first() else ""


def print_stopped(step: int, steps: int, resume_command: str) -> None:
    """Where a run that was asked to stop did, and how it goes on."""
    print(f"Stopped at step {step:,} of {steps:,} and saved. Continue with:\n  {resume_command}")


def print_stopped_testing(resume_command: str) -> None:
    """The same after all training."""
    print(f"Stopped during the test; all training is saved. Finish with:\n  {resume_command}")


def print_stopped_reporting(out: str) -> None:
    """The same while the report was written."""
    print(f"Stopped while the report was written; write it with:\n  python -m jaxdl evaluate {shlex.quote(out)}")


def summary_of(
    training: Training, dataset: Dataset, figures: Mapping[str, float], history: History, *, step: int
) -> dict[str, Any]:
    """``summary.json``: what the finished run reached, and at what cost. figures: of the test split."""
    config, state = training.config, training.state
    return {
        **run_folder.about(dataset),
        "model": name_of(training.model, config),
        "recipe": config.recipe,
        "parameters": parameter_count(state.variables["params"]),
        "trained_parameters": parameter_count(state.params),
        "epochs": step / training.steps_per_epoch,
        "steps": step,
        "skipped_updates": history.skipped_updates,
        "test_examples": len(dataset.test),
        **{f"test_{name}": value for name, value in figures.items()},
        f"best_val_{training.task.score.name}": history.best_score,
        "train_seconds": history.seconds,
        "images_per_second": history.images_per_second,
        "waiting_for_data": history.waiting_for_data,
        "device": described(training.devices),
        "seed": config.seed,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def print_result(summary: dict[str, Any], out: str, *, score: Score) -> None:
    """The score on the test split, and where to look."""
    loss = f", loss {summary['test_loss']:.4f}" if "test_loss" in summary else ""
    print(
        f"test {score.words} {summary[f'test_{score.name}']:.2%} on {counted(summary['test_examples'], 'image')} of "
        f"{summary['dataset']}{loss}, after {summary['train_seconds']:.0f} s of training\n"
        f"figures  {out}/summary.json\n"
        f"curves   tensorboard --logdir {shlex.quote(out)}",
        flush=True,
    )
    if summary["notice"]:
        print(summary["notice"], flush=True)
