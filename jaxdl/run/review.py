"""Report of a run: what is said and drawn of any task's; the rest is in the task's own review."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxdl import disk
from jaxdl.data import pipeline
from jaxdl.data.dataset import Dataset, Split
from jaxdl.report.diagnosis import Finding, as_text
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.report.runlog import RunLog
from jaxdl.run import recorded, run_folder
from jaxdl.run.announcements import loss_words
from jaxdl.run.augmentation import alternates
from jaxdl.run.diagnosed import findings_of
from jaxdl.run.finished_run import FinishedRun, functions_of
from jaxdl.run.network import told
from jaxdl.train.state import parameter_count
from jaxdl.wording import counted

LISTED = (
    ("figures", "evaluation.json"),
    ("predictions", "predictions.csv"),
    ("detections", "detections.json"),
    ("report", "report.html"),
)  # where they are: detections are a detector's


def leave(run: FinishedRun, dataset: Dataset, train: Split, predictions: Any, log: RunLog) -> None:
    """A run's last words: the diagnosis; with ``--report`` what there is to look at, in its folder and log.

    predictions: of ``dataset.test``, as the task makes them.
    """
    findings = findings_in(run)
    print(*as_text(findings), sep="\n", flush=True)
    if not run.config.report:
        return
    with Heartbeat("writing the report", on_terminal=True) as heartbeat:
        review, out = run.task.review(), Path(run.config.out)
        seen = review.seen_batch(run, train)
        about = {"predictions": predictions, "data": dataset.test, "seen": seen}
        evaluation = write(out, run=run, split="test", findings=findings, **about)
        print(f"report   {out}/report.html", flush=True)
        heartbeat.begin("drawing pictures for TensorBoard")
        review.log_pictures(log, run, evaluation=evaluation, **about)


def write(
    out: Path,
    *,
    run: FinishedRun,
    split: str,
    findings: Sequence[Finding],
    predictions: Any,
    data: Split,
    seen: Any = None,
    about: Mapping[str, object] = MappingProxyType({}),
) -> Any:
    """``evaluation.json``, ``predictions.csv`` and ``report.html`` in the folder ``out``, with files that the task's
    review has as ``results``; returns the evaluation.

    split: what was evaluated, in a word; data: its images, row by row those of ``predictions``. seen: as the task's
    review has it. about: what else there is to say of what was evaluated.
    """
    review = run.task.review()
    records = recorded.records(run.config.out) if run.config.out else None
    evaluation = review.evaluation_of(predictions)
    contents = {
        "title": Path(run.config.out or run.config.model).name,
        "notice": run.record["notice"],
        "facts": facts(run) | {name: str(value) for name, value in about.items()},
        "records": records,
        "groups": recorded.groups(records or []),
        "findings": findings,
        "split": split,
        "predictions": predictions,
        "evaluation": evaluation,
        "images": data.images,
    }
    page = review.page(run, contents, data, seen)
    results = review.results(predictions, data) if hasattr(review, "results") else {}
    with run_folder.writing(out):
        figures = {"split": split, **about, **_origin(run), **evaluation.to_json()}
        disk.write(out / "evaluation.json", _with_rows(figures))
        predictions.write(out / "predictions.csv", data.files)
        for name, text in results.items():
            disk.write(out / name, text)
        disk.write(out / "report.html", page)
    return evaluation


def findings_in(run: FinishedRun) -> list[Finding]:
    """The diagnosis of the run from its log."""
    records, parameters = recorded.records(run.config.out), parameter_count(run.variables["params"])
    return findings_of(run.record, records, parameters=parameters)


def facts(run: FinishedRun) -> dict[str, str]:
    """Facts about a run, as text for a page; for a run that has not ended yet, those that are known."""
    record, config = run.record, run.config
    parameters = parameter_count(run.variables["params"])
    network = f"{told(run.model, config)}, {parameters:,} parameters, {config.precision}"
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
        seconds = tqdm.format_interval(summary["train_seconds"])
        epochs = counted(float(f"{summary['epochs']:.4g}"), "epoch")
        known |= {
            "device": summary["device"],
            "training": f"{seconds}, {summary['images_per_second']:,.0f} images/s, {epochs}",
            "finished": summary["finished"],
        }
    return known


def _origin(run: FinishedRun) -> dict[str, object]:
    """Command and data of the run, for the files that are written of it."""
    names = ("command", "dataset", "dataset_source", "dataset_fingerprint", "notice")
    return {"step": run.step, **{name: run.record[name] for name in names}}


def _with_rows(figures: dict[str, Any]) -> str:
    """``figures`` as JSON text, ``confusion`` behind all others with a row a line: classes can be many."""
    others = {name: value for name, value in figures.items() if name != "confusion"}
    rows = ",\n".join(f"    {json.dumps(row)}" for row in figures["confusion"])
    content = json.dumps(others, indent=2).removesuffix("\n}")
    return f'{content},\n  "confusion": [\n{rows}\n  ]\n}}\n'


def first_batch(run: FinishedRun, train: Split, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of the run as its network saw them, brought back to pixels, uint8[B, H, W, C], and their labels.

    most: images. Augmented, and mixed if they were.
    """
    config = run.config
    batch = pipeline.train_batch(train, 0, batch_size=config.batch_size, seed=config.seed, alternate=alternates(config))
    prepared = jax.jit(functions_of(run).train.prepare)(run.state.key, 0, batch)
    rows = np.asarray(prepared["images"][:most]) * np.array(run.std) + np.array(run.mean)
    return np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8), np.asarray(prepared["labels"][:most])
