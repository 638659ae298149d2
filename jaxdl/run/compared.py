"""A run as a comparison shows it, from the files in its folder."""

import typing
from collections.abc import Mapping
from pathlib import Path

from jaxdl.errors import UserError
from jaxdl.report.comparison import ComparedRun
from jaxdl.report.detection_predictions import DetectionEvaluation
from jaxdl.report.evaluation import Evaluation
from jaxdl.report.mask_predictions import SegmentationEvaluation
from jaxdl.run import flags, recorded, stored
from jaxdl.run.diagnosed import findings_of, parameters_of
from jaxdl.run.tasks import USUAL


def read_run(folder: str) -> ComparedRun:
    """Reads a run from the files in its folder; raises UserError if it is not a run or cannot be read."""
    record = recorded.read_single(folder)
    config = recorded.config_of(record, folder)
    described = flags.names(type(config), "setting")
    settings = {name: value for name, value in record["config"].items() if name in described}
    summary, records = recorded.summary(folder), recorded.records(folder)
    return ComparedRun(
        title=Path(folder).resolve().name,
        notice=record["notice"],
        facts=_facts(folder, record, config.model, summary),
        settings=settings,
        summary=summary,
        records=records,
        groups=recorded.groups(records),
        findings=findings_of(record, records, parameters=parameters_of(record, summary, folder)),
        evaluation=EVALUATIONS[record.get("task", USUAL)](Path(folder, "evaluation.json")),
        data=record["dataset_fingerprint"],
    )


def _facts(folder: str, record: Mapping, model: str, summary: Mapping | None) -> dict[str, str]:
    facts = {
        "folder": folder,
        "command": record["command"],
        "data": record["dataset"],
        "pixels": record["dataset_source"],
        "model": model,
    }
    if summary is None:
        return {**facts, "state": "not finished"}
    return {**facts, "device": summary["device"], "finished": summary["finished"]}


def _evaluation(path: Path) -> Evaluation | None:
    """Reads the evaluation from the file; None if there is no file."""
    try:
        found = stored.read(path, typing.get_type_hints(Evaluation))
    except FileNotFoundError:
        return None
    per_class = [found["per_class"].get(name, {}) for name in found["classes"]]
    square, count = {len(found["confusion"]), *map(len, found["confusion"])}, len(found["classes"])
    if square != {count} or not all("f1" in figures for figures in per_class):
        raise UserError(f"{path} is not as this program writes it: its figures are not of its {count} classes.")
    return Evaluation.from_json(found)


def _of_masks(path: Path) -> SegmentationEvaluation | None:
    """The same of a segmenter's run."""
    try:
        found = stored.read(path, typing.get_type_hints(SegmentationEvaluation))
    except FileNotFoundError:
        return None
    count = len(found["classes"])
    if {len(found["confusion"]), *map(len, found["confusion"])} != {count} or set(found["iou"]) != set(
        found["classes"]
    ):
        raise UserError(f"{path} is not as this program writes it: its figures are not of its {count} classes.")
    return SegmentationEvaluation.from_json(found)


def _of_boxes(path: Path) -> DetectionEvaluation | None:
    """The same of a detector's run."""
    try:
        found = stored.read(path, typing.get_type_hints(DetectionEvaluation))
    except FileNotFoundError:
        return None
    count = len(found["classes"])
    square = {len(found["confusion"]), *map(len, found["confusion"])}
    if square != {count + 1} or set(found["ap_by_class"]) != set(found["classes"]):
        raise UserError(f"{path} is not as this program writes it: its figures are not of its {count} classes.")
    return DetectionEvaluation.from_json(found)


EVALUATIONS = {
    "classification": _evaluation,
    "detection": _of_boxes,
    "segmentation": _of_masks,
}  # in evaluation.json, by task
