"""Objects found in a split, how well they match the true ones, and their figures as JSON."""

import csv
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl import disk
from jaxdl.objects import Detections, Objects
from jaxdl.report import detection_figures
from jaxdl.report.detection_errors import (
    CORRECT,
    IGNORED,
    KINDS,
    DetectionErrors,
    ThresholdCurves,
    curves_of,
    errors_of,
)
from jaxdl.report.detection_figures import DetectionFigures

USUAL = 0.5  # threshold of confidence where nothing is found at any
NOTHING = "nothing"  # the last row and column of a confusion matrix


@dataclass(frozen=True)
class DetectionPredictions:
    """Objects found and true ones of every picture. sizes: (height, width) of each picture."""

    found: tuple[Detections, ...]
    truth: tuple[Objects, ...]
    sizes: tuple[tuple[int, int], ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def measured(self) -> DetectionFigures:
        """COCO's and VOC's measures, with their curves."""
        return detection_figures.figures_of(self.truth, self.found, classes=self.classes, sizes=self.sizes)

    @property
    def figures(self) -> dict[str, float]:
        """As ``DetectionFigures.by_name``."""
        return self.measured.by_name

    @cached_property
    def curves(self) -> ThresholdCurves:
        """Boxes found and invented by threshold of confidence."""
        return curves_of(self.truth, self.found, classes=self.classes)

    @property
    def threshold(self) -> float:
        """The confidence with the best F1 of all classes together; ``USUAL`` where nothing is found."""
        best = float(self.curves.together.best[0])
        return USUAL if math.isnan(best) else best

    @cached_property
    def every(self) -> DetectionErrors:
        """Mistakes among all detections; a detection's kind is the same at any threshold that its score reaches."""
        return errors_of(self.truth, self.found, classes=self.classes, threshold=0.0)

    @cached_property
    def best(self) -> DetectionErrors:
        """Mistakes at ``threshold``."""
        return errors_of(self.truth, self.found, classes=self.classes, threshold=self.threshold)

    @cached_property
    def mistakes(self) -> np.ndarray:
        """int64[N], of each picture at ``threshold``: wrong detections and missed objects."""
        wrong = [~np.isin(each.kinds, (CORRECT, IGNORED)) for each in self.best.pictures]
        missed = [each.missed for each in self.best.pictures]
        return np.array([a.sum() + b.sum() for a, b in zip(wrong, missed, strict=True)], np.int64)

    def worst(self, most: int) -> np.ndarray:
        """The rows of at most ``most`` pictures, those with the most mistakes first; none without any."""
        order = np.argsort(-self.mistakes, kind="stable")
        return order[: min(most, int((self.mistakes > 0).sum()))]

    def write(self, path: Path, names: Sequence[str] | None = None) -> None:
        """Writes a line per detection: row, file name if any, class, score, box in pixels, and its kind of mistake."""
        with disk.file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            lines = csv.writer(file)
            named = ["file"] if names is not None else []
            lines.writerow(["row", *named, "class", "score", "x1", "y1", "x2", "y2", "kind"])
            for row, (found, errors) in enumerate(zip(self.found, self.every.pictures, strict=True)):
                own = [names[row]] if names is not None else []
                for each, kind in zip(errors.rows, errors.kinds, strict=True):
                    box = (f"{side:.2f}" for side in found.boxes[each])
                    name = self.classes[found.classes[each]]
                    lines.writerow([row, *own, name, f"{found.scores[each]:.6g}", *box, KINDS[kind]])


@dataclass(frozen=True)
class DetectionEvaluation:
    """Figures of one split, plain JSON.

    pictures, objects: how many; of the objects those that count, no crowds and no difficult ones.
    figures: COCO's twelve, ``ap``, ``ap50``, ..., of masks ``mask_ap``, ..., and ``voc_ap50``; without those of which
    there is nothing to measure. ap_by_class, ap50_by_class, voc_ap50_by_class, mask_ap_by_class: of each class, None
    without objects; {} of masks where there are none. objects_by_class: how many.
    threshold: the confidence with the best F1 of all classes together; threshold_by_class: of each, None where nothing
    is found. recall_by_class, precision_by_class, counts, confusion: at ``threshold``. counts: detections of each kind
    of TIDE, and objects missed. confusion: rows are true classes, columns found ones, of both the last is nothing.
    """

    classes: tuple[str, ...]
    pictures: int
    objects: int
    figures: dict[str, float]
    ap_by_class: dict[str, float | None]
    ap50_by_class: dict[str, float | None]
    voc_ap50_by_class: dict[str, float | None]
    mask_ap_by_class: dict[str, float | None]
    objects_by_class: dict[str, int]
    threshold: float
    threshold_by_class: dict[str, float | None]
    recall_by_class: dict[str, float | None]
    precision_by_class: dict[str, float | None]
    counts: dict[str, int]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def ap(self) -> float | None:
        """COCO's, the mean over IoU of 0.5 to 0.95; None where there is no object."""
        return self.figures.get("ap")

    @property
    def ap50(self) -> float | None:
        """COCO's at an IoU of 0.5."""
        return self.figures.get("ap50")

    @property
    def mask_ap(self) -> float | None:
        """As ``ap``, of masks."""
        return self.figures.get("mask_ap")

    @property
    def by_class(self) -> dict[str, float]:
        """AP of each class that occurs, by name."""
        return {name: value for name, value in self.ap_by_class.items() if value is not None}

    @property
    def named(self) -> tuple[str, ...]:
        """Names of the rows of ``confusion``."""
        return (*self.classes, NOTHING)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "DetectionEvaluation":
        """The inverse of ``to_json``; what else is stored is left out."""
        own = {field.name: stored[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**own, "classes": tuple(stored["classes"]), "confusion": tuple(map(tuple, stored["confusion"]))})

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON knows them."""
        return dataclasses.asdict(self)


def evaluation_of(predictions: DetectionPredictions) -> DetectionEvaluation:
    """The figures of ``predictions``."""
    measured, curves, classes = predictions.measured, predictions.curves, predictions.classes
    at = int(np.flatnonzero(curves.thresholds == predictions.threshold)[0])

    def by_class(values: np.ndarray) -> dict[str, float | None]:
        return {name: _known(value) for name, value in zip(classes, values, strict=True)}

    def of(found: Mapping[str, float]) -> dict[str, float | None]:
        return {name: _known(found.get(name, math.nan)) for name in classes}

    return DetectionEvaluation(
        classes=classes,
        pictures=len(predictions),
        objects=int(curves.positives.sum()),
        figures=measured.whole,
        ap_by_class=of(measured.boxes.by_class),
        ap50_by_class=of(measured.boxes.ap50_by_class),
        voc_ap50_by_class=of(measured.voc.by_class),
        mask_ap_by_class={} if measured.masks is None else of(measured.masks.by_class),
        objects_by_class=dict(zip(classes, curves.positives.tolist(), strict=True)),
        threshold=predictions.threshold,
        threshold_by_class=by_class(curves.best),
        recall_by_class=by_class(curves.recall[:, at]),
        precision_by_class=by_class(curves.precision[:, at]),
        counts=predictions.best.counts,
        confusion=tuple(tuple(map(int, row)) for row in predictions.best.confusion),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
