"""Predicted masks of a split, how well they overlap with the true ones, and their figures as JSON."""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl import disk, overlap
from jaxdl.masks import IGNORED


class MaskPredictions:
    """Predicted and true masks of every picture.

    predicted, masks: uint8[N, H, W], classes; 255 in a mask is no class. loss: mean cross entropy of a pixel, in nats.
    """

    def __init__(self, predicted: np.ndarray, masks: np.ndarray, classes: Sequence[str], *, loss: float):
        self.predicted, self.masks, self.classes, self.loss = predicted, masks, tuple(classes), float(loss)

    def __len__(self) -> int:
        return len(self.masks)

    @cached_property
    def confusions(self) -> np.ndarray:
        """int64[N, C, C]: of each picture, how often each class was predicted for each."""
        return np.stack([_confusion(*each, len(self.classes)) for each in zip(self.predicted, self.masks, strict=True)])

    @property
    def confusion(self) -> np.ndarray:
        """int64[C, C] of all pictures together; rows are true classes."""
        return self.confusions.sum(0)

    @property
    def figures(self) -> dict[str, float]:
        """``loss``; ``accuracy``, of a pixel; ``mean_iou``."""
        return {
            "loss": self.loss,
            "accuracy": overlap.pixel_accuracy(self.confusion),
            "mean_iou": overlap.mean_iou(self.confusion),
        }

    @property
    def mean_ious(self) -> np.ndarray:
        """float64[N]: the mean IoU of each picture alone, over the classes in it or predicted; NaN of none."""
        return np.array([overlap.mean_iou(each) for each in self.confusions])

    def worst(self, most: int) -> np.ndarray:
        """The rows of at most ``most`` pictures, those of the least mean IoU first; none without labelled pixels."""
        order = np.argsort(self.mean_ious, kind="stable")
        return order[: min(most, int((~np.isnan(self.mean_ious)).sum()))]

    def write(self, path: Path, names: Sequence[str] | None = None) -> None:
        """Writes a line per picture: row, file name if any, pixel accuracy, mean IoU, the IoU of each class."""
        with disk.file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            lines = csv.writer(file)
            named = ["file"] if names is not None else []
            lines.writerow(["row", *named, "accuracy", "mean_iou", *(f"iou({name})" for name in self.classes)])
            for row, matrix in enumerate(self.confusions):
                figures = (overlap.pixel_accuracy(matrix), overlap.mean_iou(matrix), *overlap.iou(matrix))
                own = [names[row]] if names is not None else []
                lines.writerow([row, *own, *("" if np.isnan(each) else f"{each:.6g}" for each in figures)])


@dataclass(frozen=True)
class SegmentationEvaluation:
    """Figures of one split, plain JSON.

    pictures, pixels: how many, of the pixels those that have a class. loss: mean cross entropy of a pixel in nats.
    accuracy: the share of pixels predicted right. iou: of each class, None where it is neither true nor predicted
    anywhere; mean_iou: over the others. confusion: pixels; rows are true classes, columns predicted ones.
    """

    classes: tuple[str, ...]
    pictures: int
    pixels: int
    loss: float
    accuracy: float
    mean_iou: float
    iou: dict[str, float | None]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def by_class(self) -> dict[str, float]:
        """IoU of each class that occurs, by name."""
        return {name: value for name, value in self.iou.items() if value is not None}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "SegmentationEvaluation":
        """The inverse of ``to_json``; what else is stored is left out."""
        own = {field.name: stored[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**own, "classes": tuple(stored["classes"]), "confusion": tuple(map(tuple, stored["confusion"]))})

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON knows them."""
        return dataclasses.asdict(self)


def evaluation_of(predictions: MaskPredictions) -> SegmentationEvaluation:
    """The figures of ``predictions``, at least one labelled pixel."""
    matrix = predictions.confusion
    by_class = zip(predictions.classes, overlap.iou(matrix), strict=True)
    return SegmentationEvaluation(
        classes=predictions.classes,
        pictures=len(predictions),
        pixels=int(matrix.sum()),
        **predictions.figures,
        iou={name: None if np.isnan(value) else float(value) for name, value in by_class},
        confusion=tuple(tuple(map(int, row)) for row in matrix),
    )


def _confusion(predicted: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    counts = mask != IGNORED
    pairs = mask[counts].astype(np.int64) * classes + predicted[counts]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
