"""Report of a run: figures, every prediction, the diagnosis, and a page that shows them."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from jaxdl import disk
from jaxdl.data import augment, pipeline
from jaxdl.data.dataset import Dataset, Split
from jaxdl.report.confusion_picture import confusion_picture
from jaxdl.report.diagnosis import Finding, as_text
from jaxdl.report.evaluation import Evaluation, Predictions, evaluation_of
from jaxdl.report.feature_maps import feature_maps, sheet
from jaxdl.report.graph import graph
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.report.layers import layers
from jaxdl.report.page import RunReport, render
from jaxdl.report.runlog import RunLog
from jaxdl.run import recorded, run_folder
from jaxdl.run.announcements import loss_words
from jaxdl.run.augmentation import alternates
from jaxdl.run.diagnosed import findings_of
from jaxdl.run.finished_run import FinishedRun, functions_of
from jaxdl.run.network import name_of
from jaxdl.train.state import parameter_count
from jaxdl.variables import flat
from jaxdl.wording import counted

SEEN = 32  # images shown of a batch as the network saw it
BESIDE = 8  # images whose layers' outputs are shown
LAYERS = 12  # the first ones, of which the convolutions are shown
MISTAKES = 36
LISTED = (("figures", "evaluation.json"), ("predictions", "predictions.csv"), ("report", "report.html"))


class Seen(NamedTuple):
    """images: uint8[B, H, W, C], pixels again; names: their classes, with shares where images were mixed."""

    images: np.ndarray
    names: tuple[str, ...]


def findings_in(run: FinishedRun) -> list[Finding]:
    """The diagnosis of the run from its log."""
    records, parameters = recorded.records(run.config.out), parameter_count(run.variables["params"])
    return findings_of(run.record, records, parameters=parameters)


def leave(run: FinishedRun, dataset: Dataset, train: Split, predictions: Predictions, log: RunLog) -> None:
    """A run's last words: the diagnosis; with ``--report`` what there is to look at, in its folder and log."""
    findings = findings_in(run)
    print(*as_text(findings), sep="\n", flush=True)
    if run.config.report:
        with Heartbeat("writing the report", on_terminal=True) as heartbeat:
            seen, images = seen_batch(run, train), dataset.test.images
            about = {"predictions": predictions, "images": images, "seen": seen}
            evaluation = write(Path(run.config.out), run=run, split="test", findings=findings, **about)
            print(f"report   {run.config.out}/report.html", flush=True)
            heartbeat.begin("drawing pictures for TensorBoard")
            log_pictures(log, run, evaluation=evaluation, **about)


def write(
    out: Path,
    *,
    run: FinishedRun,
    split: str,
    findings: Sequence[Finding],
    predictions: Predictions,
    images: np.ndarray,
    files: Sequence[str] | None = None,
    seen: Seen | None = None,
    about: Mapping[str, object] = MappingProxyType({}),
) -> Evaluation:
    """``evaluation.json``, ``predictions.csv`` and ``report.html`` in the folder ``out``.

    split: what was evaluated, in a word. images: uint8[N, H, W, C], row by row those of ``predictions``, or what may
    stand for such an array; files: their names. about: what else there is to say of what was evaluated.
    """
    records = recorded.records(run.config.out) if run.config.out else None
    evaluation = evaluation_of(predictions)
    report = RunReport(
        title=Path(run.config.out or run.config.model).name,
        notice=run.record["notice"],
        facts=facts(run) | {name: str(value) for name, value in about.items()},
        records=records,
        groups=recorded.groups(records or []),
        findings=findings,
        split=split,
        predictions=predictions,
        evaluation=evaluation,
        images=images,
        seen=seen.images if seen else None,
        seen_names=seen.names if seen else (),
        filters=first_filters(run),
    )
    figures = evaluation.to_json()
    rows = ",\n".join(f"    {json.dumps(row)}" for row in figures.pop("confusion"))  # a line each: classes can be many
    content = json.dumps({"split": split, **about, **_origin(run), **figures}, indent=2).removesuffix("\n}")
    with run_folder.writing(out):
        disk.write(out / "evaluation.json", f'{content},\n  "confusion": [\n{rows}\n  ]\n}}\n')
        predictions.write(out / "predictions.csv", files)
        disk.write(out / "report.html", render(report))
    return evaluation


def facts(run: FinishedRun) -> dict[str, str]:
    """Facts about a run, as text for a page; for a run that has not ended yet, those that are known."""
    record, config = run.record, run.config
    parameters = parameter_count(run.variables["params"])
    network = f"{name_of(run.model, config)}, {parameters:,} parameters, {config.precision}"
    if config.out is None:
        return {"command": record["command"], "weights": config.pretrained or "", "network": network}
    summary = recorded.summary(config.out)
    known = {
        "command": record["command"],
        "data": record["dataset"],
        "pixels": record["dataset_source"],
        "network": network,
        "recipe": f"{config.recipe}: {config.optimizer}, learning rate {config.lr:g} ({config.schedule}), "
        f"batch {config.batch_size}, seed {config.seed}{loss_words(config)}",
        "updates": f"{run.step:,}",
    }
    if summary and summary["steps"] == run.step:
        seconds, epochs = tqdm.format_interval(summary["train_seconds"]), counted(summary["epochs"], "epoch")
        known |= {
            "device": summary["device"],
            "training": f"{seconds}, {summary['images_per_second']:,.0f} images/s, {epochs}",
            "finished": summary["finished"],
        }
    return known


def _origin(run: FinishedRun) -> dict[str, object]:
    names = ("command", "dataset", "dataset_source", "dataset_fingerprint", "notice")
    return {"step": run.step, **{name: run.record[name] for name in names}}


def seen_batch(run: FinishedRun, train: Split) -> Seen:
    """The first batch of the run as its network saw it: augmented, mixed if it was, and brought back to pixels."""
    config, classes = run.config, run.classes
    batch = pipeline.train_batch(train, 0, batch_size=config.batch_size, seed=config.seed, alternate=alternates(config))
    prepared = jax.jit(functions_of(run).train.prepare)(run.state.key, 0, batch)
    rows = np.asarray(prepared["images"][:SEEN]) * np.array(run.std) + np.array(run.mean)
    pixels = np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8)
    return Seen(pixels, tuple(_name(label, classes) for label in np.asarray(prepared["labels"][:SEEN])))


def log_pictures(
    log: RunLog, run: FinishedRun, *, predictions: Predictions, evaluation: Evaluation, images: np.ndarray, seen: Seen
) -> None:
    """For TensorBoard: the network as a graph, a batch as it saw it, layers' outputs beside the images, mistakes."""
    log.graph(graph(run.model, run.image))
    mistakes = np.sort(predictions.confident_mistakes(MISTAKES))
    log.images("augmented_batch", seen.images, run.step)
    beside, order = images[:BESIDE], [layer.name for layer in layers(run.model, run.image)]
    prepared = jax.jit(partial(augment.normalize, mean=run.mean, std=run.std))(beside)
    for layer, maps in feature_maps(run.model, run.variables, prepared, layers=order[:LAYERS]).items():
        log.image(f"inputs_beside_outputs/{layer}", sheet(beside, maps), run.step)
    if len(mistakes):
        log.images("mistakes", images[mistakes], run.step)
    log.image("confusion_matrix", confusion_picture(evaluation), run.step)
    log.hyperparameters(run.record["config"], {"test_accuracy": evaluation.top1, "test_loss": evaluation.loss})


def first_filters(run: FinishedRun) -> np.ndarray | None:
    """float32[h, w, C, F]: the kernel of the convolution that sees the pixels, if there is one."""
    kernels = (
        leaf
        for path, leaf in flat(run.variables).items()
        if path[-1] == "kernel" and leaf.ndim == 4 and leaf.shape[2] == run.image[-1]
    )
    first = next(kernels, None)
    return None if first is None else np.asarray(first, np.float32)


def _name(label: np.ndarray, classes: Sequence[str]) -> str:
    if label.ndim == 0:
        return classes[label]
    shares = [(float(label[row]), classes[row]) for row in np.argsort(-label)[:2] if label[row] > 0.005]
    return shares[0][1] if len(shares) == 1 else " + ".join(f"{name} {share:.2f}" for share, name in shares)
