"""A detector's run as one HTML page: what it was, how it went, and which objects it finds, misses and invents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.objects import Objects
from jaxdl.report import images, run_report
from jaxdl.report.box_overlay import Laid, css, laid_detections, laid_plain, laid_truth
from jaxdl.report.class_colors import class_colors
from jaxdl.report.detection_charts import by_confidence, precision_by_recall
from jaxdl.report.detection_predictions import DetectionEvaluation, DetectionPredictions
from jaxdl.report.run_report import RunReport
from jaxdl.wording import counted

WORST, OTHERS = 8, 4  # pictures shown
SEEN = 8
WIDE = 520  # pixels, at most, of a picture
KINDS = {
    "correct": ("right", "of the right class, on an object with an IoU of 50% or more, the first to be"),
    "missed": ("missed", "objects that no box found, mistook or is badly on"),
    "localization": ("badly placed", "of the right class, with an IoU of 10 to 50%"),
    "classification": ("wrong class", "well placed on an object of another class"),
    "both": ("both", "badly placed on an object of another class"),
    "duplicate": ("found twice", "on an object that a surer box has found"),
    "background": ("invented", "on no object: an IoU below 10% with any"),
    "ignored": ("not counted", "on a crowd or a difficult object"),
}  # of detections, as TIDE tells them apart


@dataclass(frozen=True, kw_only=True)
class DetectionReport(RunReport):
    """Contents of a detector's page.

    images: filled up to one size, of which each picture has that of the predictions. names: of their files, if they
    are known. seen: pictures uint8[H, W, 3], of any sizes; seen_objects: in each of them.
    """

    predictions: DetectionPredictions
    evaluation: DetectionEvaluation
    names: Sequence[str] | None = None
    seen_objects: Sequence[Objects] = ()


@dataclass(frozen=True)
class Shown:
    """A picture as a data URI, what is true and what is found in it, and how many of its boxes are what at first."""

    name: str
    picture: str
    truth: list[Laid]
    detections: list[Laid]
    mistakes: int


@dataclass(frozen=True)
class ClassRow:
    """A class in the table: its colour as CSS has it, figures, None where there is nothing to measure, objects."""

    name: str
    color: str
    figures: tuple[float | None, ...]
    objects: int


def render(report: DetectionReport) -> str:
    """A self-contained HTML document; the same report gives the same text."""
    evaluation, predictions = report.evaluation, report.predictions
    worst = predictions.worst(WORST)
    others = _spread(predictions, np.setdiff1d(np.arange(len(predictions)), worst))
    worst, others = ([_shown(report, row) for row in rows] for rows in (worst, others))
    curves = predictions.measured.boxes.curves
    return run_report.render(
        "detection.html",
        report,
        key_figures=_key_figures(evaluation, report.split),
        matrix=evaluation.confusion,
        named=evaluation.named,
        rows=_rows(evaluation),
        columns=_columns(evaluation),
        kinds=[(*words, evaluation.counts[kind]) for kind, words in KINDS.items() if kind in evaluation.counts],
        certainty=[
            chart
            for chart in (precision_by_recall(curves, evaluation.objects_by_class), by_confidence(predictions.curves))
            if chart
        ],
        threshold=evaluation.threshold,
        slider=_slider(predictions),
        legend_of=_legend([*worst, *others], evaluation.classes),
        worst=worst,
        others=others,
        seen=_seen(report),
    )


def _key_figures(evaluation: DetectionEvaluation, split: str) -> list[tuple[str, str, str]]:
    """(name, figure, remark) of each."""

    def told(name: str) -> str:
        return f"{evaluation.figures[name]:.2%}" if name in evaluation.figures else "\N{EN DASH}"

    occurring = counted(len(evaluation.by_class), "class", "classes")
    voc = f"as PASCAL VOC has it: {told('voc_ap50')}"
    masks = [("Mask AP", told("mask_ap"), f"the same of masks; at 50%: {told('mask_ap50')}")]
    return [
        (f"{split.capitalize()} AP", told("ap"), f"mean over IoU of 50 to 95%, and {occurring}"),
        ("AP50", told("ap50"), voc),
        ("AP75", told("ap75"), "at an IoU of 75%"),
        *(masks if "mask_ap" in evaluation.figures else []),
        ("Pictures", f"{evaluation.pictures:,}", counted(len(evaluation.classes), "class", "classes")),
        ("Objects", f"{evaluation.objects:,}", f"{evaluation.objects / max(evaluation.pictures, 1):.1f} a picture"),
    ]


def _columns(evaluation: DetectionEvaluation) -> list[str]:
    return ["AP", "AP50", *(["Mask AP"] if evaluation.mask_ap_by_class else []), "Recall", "Precision"]


def _rows(evaluation: DetectionEvaluation) -> list[ClassRow]:
    colors = class_colors(len(evaluation.classes))
    columns = [
        evaluation.ap_by_class,
        evaluation.ap50_by_class,
        *([evaluation.mask_ap_by_class] if evaluation.mask_ap_by_class else []),
        evaluation.recall_by_class,
        evaluation.precision_by_class,
    ]
    return [
        ClassRow(name, css(colors[row]), tuple(each[name] for each in columns), evaluation.objects_by_class[name])
        for row, name in enumerate(evaluation.classes)
    ]


def _slider(predictions: DetectionPredictions) -> str:
    """JSON of how many objects there are, and at each hundredth of confidence how many boxes are right and wrong."""
    together = predictions.curves.together
    numbers = {
        "objects": int(together.positives[0]),
        "right": together.true_positives[0].tolist(),
        "wrong": together.false_positives[0].tolist(),
    }
    return json.dumps(numbers, separators=(",", ":"))


def _spread(predictions: DetectionPredictions, rows: np.ndarray) -> list[int]:
    """Some of the rows, from those with the fewest mistakes on, evenly apart."""
    order = rows[np.argsort(predictions.mistakes[rows], kind="stable")]
    return order[np.linspace(0, len(order) - 1, min(OTHERS, len(order))).astype(int)].tolist() if len(order) else []


def _shown(report: DetectionReport, row: int) -> Shown:
    predictions = report.predictions
    size, classes = predictions.sizes[row], predictions.classes
    errors, found = predictions.every.pictures[row], predictions.found[row]
    return Shown(
        name=report.names[row] if report.names is not None else f"picture {row}",
        picture=images.photograph(np.asarray(report.images[row])[: size[0], : size[1]], width=WIDE),
        truth=laid_truth(predictions.truth[row], size, classes, found, errors),
        detections=laid_detections(found, size, classes, errors),
        mistakes=int(predictions.mistakes[row]),
    )


def _legend(shown: Sequence[Shown], classes: Sequence[str]) -> list[tuple[str, str]]:
    """Names and colours of the classes in the pictures that are shown."""
    there = {box.name for each in shown for box in (*each.truth, *each.detections)}
    colors = class_colors(len(classes))
    return [(name, css(color)) for name, color in zip(classes, colors, strict=True) if name in there]


def _seen(report: DetectionReport) -> list[tuple[str, list[Laid]]]:
    """The first pictures of the batch, as data URIs, and the boxes over each."""
    classes = report.predictions.classes
    pairs = list(zip(report.seen if report.seen is not None else (), report.seen_objects, strict=False))[:SEEN]
    return [
        (images.photograph(image, width=WIDE // 2), laid_plain(objects, image.shape[:2], classes))
        for image, objects in pairs
    ]
