"""Evaluation of a network on a split: figures by scikit-learn, and each prediction."""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl import disk

BINS = 15  # of confidence, as Guo et al. 2017 count them
MOST_COLUMNS = 100  # classes whose probabilities a table of predictions has room for
FIGURES = ("precision", "recall", "f1", "support")


class Predictions:
    """Predictions and labels of every example.

    log_probabilities: float64[N, classes], natural logarithms. labels, predicted: int64[N]. confidence: float64[N], the
    probability of what was predicted. correct: bool[N].
    """

    def __init__(self, logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]):
        self.classes = tuple(classes)
        self.labels = np.asarray(labels).astype(np.int64)
        from scipy.special import log_softmax  # a quarter of a second, in which no command is to start

        self.log_probabilities = log_softmax(np.asarray(logits, np.float64), axis=1)
        self.predicted = self.log_probabilities.argmax(1)
        self.confidence = np.exp(self.log_probabilities.max(1))
        self.correct = self.predicted == self.labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def probabilities(self) -> np.ndarray:
        """float64[N, classes]."""
        return np.exp(self.log_probabilities)

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats."""
        return float(-self.log_probabilities[np.arange(len(self)), self.labels].mean())

    @property
    def accuracy(self) -> float:
        """Fraction predicted right."""
        return float(self.correct.mean())

    @property
    def figures(self) -> dict[str, float]:
        """``loss`` and ``accuracy``."""
        return {"loss": self.loss, "accuracy": self.accuracy}

    def confident_mistakes(self, most: int) -> np.ndarray:
        """The rows of at most ``most`` wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.correct)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:most]

    def confused(self, true: int, predicted: int, most: int) -> np.ndarray:
        """The rows of at most ``most`` examples of class ``true`` predicted as ``predicted``, most confident first."""
        rows = np.flatnonzero((self.labels == true) & (self.predicted == predicted))
        return rows[np.argsort(-self.confidence[rows], kind="stable")][:most]

    def write(self, path: Path, names: Sequence[str] | None = None) -> None:
        """Writes a line per example: row, file name if any, true and predicted class, probabilities.

        Probabilities of every class if they are at most ``MOST_COLUMNS``.
        """
        every = self.classes if len(self.classes) <= MOST_COLUMNS else ()
        with disk.file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            lines = csv.writer(file)
            lines.writerow(
                [
                    "row",
                    *(["file"] if names is not None else []),
                    *("true", "predicted", "correct", "probability", "probability_of_true"),
                    *(f"p({name})" for name in every),
                ]
            )
            for row, logarithms in enumerate(self.log_probabilities):
                each = np.exp(logarithms)
                true, predicted = self.labels[row], self.predicted[row]
                lines.writerow(
                    [
                        row,
                        *([names[row]] if names is not None else []),
                        *(self.classes[true], self.classes[predicted], int(true == predicted)),
                        *(f"{value:.6g}" for value in (each[predicted], each[true], *each[: len(every)])),
                    ]
                )


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same confidence: how many, their mean confidence, and how often they were right."""

    examples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Figures of one split, plain JSON.

    loss: mean cross entropy in nats. top1, top5: shares in [0, 1]; top5 is None where there are five classes or fewer.
    per_class: by name, with macro and weighted averages beside it, over the classes that examples are of: precision,
    recall, f1 and support; 0 where a figure is not defined, as precision is of a class never predicted.
    calibration_error: expected, over ``bins`` of equal width (Guo et al. 2017): how far confidence is from accuracy.
    confusion: rows are true classes, columns predicted ones.
    """

    classes: tuple[str, ...]
    examples: int
    loss: float
    top1: float
    top5: float | None
    per_class: dict[str, dict[str, float]]
    macro: dict[str, float]
    weighted: dict[str, float]
    calibration_error: float
    bins: tuple[Bin, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def accuracy(self) -> float:
        """``top1``."""
        return self.top1

    @property
    def by_class(self) -> dict[str, float]:
        """F1 of each class by name."""
        return {name: figures["f1"] for name, figures in self.per_class.items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Evaluation":
        """The inverse of ``to_json``; what else is stored is left out."""
        own = {field.name: stored[field.name] for field in dataclasses.fields(cls)}
        bins = tuple(Bin(**each) for each in stored["bins"])
        confusion = tuple(map(tuple, stored["confusion"]))
        return cls(**{**own, "classes": tuple(stored["classes"]), "bins": bins, "confusion": confusion})

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON knows them."""
        return dataclasses.asdict(self)

    def confused_pairs(self, most: int) -> list[tuple[int, int, int]]:
        """(true, predicted, count) of at most ``most`` pairs of different classes, the most frequent first."""
        pairs = [
            (true, predicted, count)
            for true, row in enumerate(self.confusion)
            for predicted, count in enumerate(row)
            if count and true != predicted
        ]
        return sorted(pairs, key=lambda pair: -pair[2])[:most]


def evaluation_of(predictions: Predictions) -> Evaluation:
    """The figures of ``predictions``, at least one example."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

    labels, predicted, classes = predictions.labels, predictions.predicted, predictions.classes
    every, there = range(len(classes)), np.unique(labels)
    four = np.stack(precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0), axis=1)
    averages = {
        average: precision_recall_fscore_support(labels, predicted, labels=there, average=average, zero_division=0)[:3]
        for average in ("macro", "weighted")
    }
    calibration_error, bins = _calibration(predictions.confidence, predictions.correct)
    return Evaluation(
        classes=classes,
        examples=len(labels),
        loss=predictions.loss,
        top1=predictions.accuracy,
        top5=float(top_k_accuracy_score(labels, predictions.log_probabilities, k=5, labels=every))
        if len(classes) > 5
        else None,
        per_class={name: _named(row) for name, row in zip(classes, four, strict=True)},
        **{average: _named((*three, len(labels))) for average, three in averages.items()},
        calibration_error=calibration_error,
        bins=bins,
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(labels, predicted, labels=every)),
    )


def _named(four: Sequence[float]) -> dict[str, float]:
    named = dict(zip(FIGURES, map(float, four), strict=True))
    return {**named, "support": int(named["support"])}


def _calibration(confidence: np.ndarray, correct: np.ndarray) -> tuple[float, tuple[Bin, ...]]:
    which = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = tuple(
        Bin(int(chosen.sum()), float(confidence[chosen].mean()), float(correct[chosen].mean()))
        for chosen in (which == number for number in np.unique(which))
    )
    error = sum(each.examples * abs(each.confidence - each.accuracy) for each in bins) / len(correct)
    return float(error), bins
