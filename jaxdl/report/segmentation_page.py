"""A segmenter's run as one HTML page: what it was, how it went, how well its masks overlap with the true ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.report import images, run_report
from jaxdl.report.class_colors import class_colors, overlaid
from jaxdl.report.mask_predictions import MaskPredictions, SegmentationEvaluation
from jaxdl.report.run_report import RunReport
from jaxdl.wording import counted

WORST, OTHERS = 8, 4  # pictures shown
SEEN = 8
UNITS = ((10**6, "thousands of pixels", 1000), (0, "pixels", 1))  # of a matrix, by the pixels in it


@dataclass(frozen=True, kw_only=True)
class SegmentationReport(RunReport):
    """Contents of a segmenter's page.

    names: of the files of ``images``, if they are known. seen_masks: uint8[B, H, W], of ``seen``.
    """

    predictions: MaskPredictions
    evaluation: SegmentationEvaluation
    names: Sequence[str] | None = None
    seen_masks: np.ndarray | None = None


@dataclass(frozen=True)
class Shown:
    """A picture, its true mask and the predicted one over it, as data URIs; name: of it; mean_iou: of it alone."""

    name: str
    picture: str
    truth: str
    prediction: str
    mean_iou: float


@dataclass(frozen=True)
class ClassRow:
    """A class in the table: its colour as CSS has it, IoU, None if it occurs nowhere, recall, precision, pixels."""

    name: str
    color: str
    iou: float | None
    recall: float | None
    precision: float | None
    pixels: int


def render(report: SegmentationReport) -> str:
    """A self-contained HTML document; the same report gives the same text."""
    evaluation, predictions = report.evaluation, report.predictions
    worst = predictions.worst(WORST)
    others = _spread(predictions, np.setdiff1d(np.arange(len(predictions)), worst))
    counts = np.array(evaluation.confusion)
    unit, divisor = next((words, by) for least, words, by in UNITS if counts.sum() >= least)
    rounded = np.rint(counts / divisor).astype(int).tolist()
    return run_report.render(
        "segmentation.html",
        report,
        key_figures=_key_figures(evaluation, report.split),
        matrix=rounded,
        rows=_rows(evaluation),
        worst=[_shown(report, row) for row in worst],
        others=[_shown(report, row) for row in others],
        unit=unit,
        seen=_seen(report),
    )


def css(color: Sequence[int]) -> str:
    """``#0072b2``."""
    return "#" + bytes(int(each) for each in color).hex()


def _key_figures(evaluation: SegmentationEvaluation, split: str) -> list[tuple[str, str, str]]:
    """(name, figure, remark) of each."""
    occurring = sum(value is not None for value in evaluation.iou.values())
    return [
        (
            f"{split.capitalize()} mean IoU",
            f"{evaluation.mean_iou:.2%}",
            f"over {counted(occurring, 'class', 'classes')}",
        ),
        ("Pixel accuracy", f"{evaluation.accuracy:.2%}", f"of {evaluation.pixels:,} labelled pixels"),
        ("Loss", f"{evaluation.loss:.4f}", f"nats a pixel; guessing: {math.log(len(evaluation.classes)):.4f}"),
        ("Pictures", f"{evaluation.pictures:,}", counted(len(evaluation.classes), "class", "classes")),
    ]


def _rows(evaluation: SegmentationEvaluation) -> list[ClassRow]:
    matrix, colors = np.array(evaluation.confusion), class_colors(len(evaluation.classes))
    true, predicted, both = matrix.sum(1), matrix.sum(0), np.diag(matrix)
    return [
        ClassRow(
            name,
            css(colors[index]),
            evaluation.iou[name],
            float(both[index] / true[index]) if true[index] else None,
            float(both[index] / predicted[index]) if predicted[index] else None,
            int(true[index]),
        )
        for index, name in enumerate(evaluation.classes)
    ]


def _spread(predictions: MaskPredictions, rows: np.ndarray) -> list[int]:
    """Some of the rows, from the best to the worst mean IoU, evenly apart."""
    ious = predictions.mean_ious[rows]
    order = rows[~np.isnan(ious)][np.argsort(-ious[~np.isnan(ious)], kind="stable")]
    return order[np.linspace(0, len(order) - 1, min(OTHERS, len(order))).astype(int)].tolist() if len(order) else []


def _shown(report: SegmentationReport, row: int) -> Shown:
    predictions, image = report.predictions, report.images[row]
    colors = class_colors(len(predictions.classes))
    return Shown(
        name=report.names[row] if report.names is not None else f"picture {row}",
        picture=images.photograph(image),
        truth=images.photograph(overlaid(image, predictions.masks[row], colors)),
        prediction=images.photograph(overlaid(image, predictions.predicted[row], colors)),
        mean_iou=float(predictions.mean_ious[row]),
    )


def _seen(report: SegmentationReport) -> list[str]:
    """Data URIs of the first pictures of the batch under their masks."""
    if report.seen is None or report.seen_masks is None:
        return []
    colors = class_colors(len(report.predictions.classes))
    pairs = zip(report.seen[:SEEN], report.seen_masks[:SEEN], strict=True)
    return [images.photograph(overlaid(image, mask, colors), width=240) for image, mask in pairs]
