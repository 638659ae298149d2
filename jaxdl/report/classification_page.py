"""A classifier's run as one HTML page: what it was, how it went, what it gets right and wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl.report import confusion, images, run_report
from jaxdl.report.document import short
from jaxdl.report.evaluation import Evaluation, Predictions
from jaxdl.report.figures import reliability
from jaxdl.report.run_report import WHOLE_MATRIX, RunReport
from jaxdl.wording import counted

PAIRS, PICTURES_A_PAIR = 8, 6
MISTAKES = 48
SEEN = 32
FILTER_COLUMNS = 16


@dataclass(frozen=True, kw_only=True)
class ClassificationReport(RunReport):
    """Contents of a classifier's page.

    seen_names: the classes of ``seen``. filters: float32[h, w, C, F], the kernel of the first convolution.
    """

    predictions: Predictions
    evaluation: Evaluation
    seen_names: Sequence[str] = ()
    filters: np.ndarray | None = None


@dataclass(frozen=True)
class Example:
    """A picture with its names. picture: data URI; alt: in words; probability: of what was predicted."""

    picture: str
    alt: str
    true: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Pair:
    """Examples of one class taken for another. count: all of them; share: of the true class."""

    true: str
    predicted: str
    count: int
    share: float
    examples: tuple[Example, ...]


def render(report: ClassificationReport) -> str:
    """A self-contained HTML document; the same report gives the same text."""
    evaluation, predictions = report.evaluation, report.predictions
    pairs = evaluation.confused_pairs(PAIRS)
    rows = [predictions.confused(true, predicted, PICTURES_A_PAIR) for true, predicted, _ in pairs]
    mistakes = predictions.confident_mistakes(MISTAKES)
    examples = _examples(report, np.concatenate([mistakes, *rows]))
    totals = [sum(row) for row in evaluation.confusion]
    return run_report.render(
        "classification.html",
        report,
        key_figures=_key_figures(evaluation, report.split),
        matrix=evaluation.confusion,
        listed=_listed(evaluation),
        pairs=[
            Pair(
                evaluation.classes[true],
                evaluation.classes[predicted],
                count,
                count / totals[true],
                tuple(examples[row] for row in shown),
            )
            for (true, predicted, count), shown in zip(pairs, rows, strict=True)
        ],
        mistakes=[examples[row] for row in mistakes],
        wrong=int((~predictions.correct).sum()),
        calibration=reliability(evaluation.bins),
        seen=_seen(report),
        filters=_filters(report.filters),
        pixel_size=_pixel_size(report),
    )


def _listed(evaluation: Evaluation) -> list[str]:
    """Classes of the table: all, or of many those that occur."""
    if len(evaluation.classes) <= WHOLE_MATRIX:
        return list(evaluation.classes)
    return [evaluation.classes[index] for index in confusion.occurring(evaluation.confusion)]


def accuracy_interval(evaluation: Evaluation) -> tuple[float, float]:
    """95 % confidence interval of the accuracy: Wilson's interval of a binomial proportion."""
    from scipy.stats import binomtest

    right = round(evaluation.top1 * evaluation.examples)
    interval = binomtest(right, evaluation.examples).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def _key_figures(evaluation: Evaluation, split: str) -> list[tuple[str, str, str]]:
    """(name, figure, remark) of each."""
    low, high = accuracy_interval(evaluation)
    figures = [(f"{split.capitalize()} accuracy", f"{evaluation.top1:.2%}", f"95% interval: {low:.1%} to {high:.1%}")]
    if evaluation.top5 is not None:
        figures.append(("Top-5 accuracy", f"{evaluation.top5:.2%}", "the class is among the first five"))
    return [
        *figures,
        ("Loss", f"{evaluation.loss:.4f}", f"nats; guessing: {math.log(len(evaluation.classes)):.4f}"),
        ("Calibration error", f"{evaluation.calibration_error:.2%}", "confidence against accuracy"),
        ("Examples", f"{evaluation.examples:,}", counted(len(evaluation.classes), "class", "classes")),
    ]


def _examples(report: ClassificationReport, rows: np.ndarray) -> dict[int, Example]:
    """By row; each picture is read once."""
    rows = np.unique(rows).astype(np.int64)
    if not len(rows):
        return {}
    predictions, classes = report.predictions, report.predictions.classes
    found = {}
    for row, image in zip(rows, report.images[rows], strict=True):
        true, predicted = classes[predictions.labels[row]], classes[predictions.predicted[row]]
        alt = f"{short(true)}, taken for {short(predicted)}"
        found[int(row)] = Example(images.thumbnail(image), alt, true, predicted, float(predictions.confidence[row]))
    return found


def _seen(report: ClassificationReport) -> list[tuple[str, str]]:
    """(data URI, class) of the first pictures of the batch."""
    if report.seen is None:
        return []
    return [
        (images.thumbnail(image), name)
        for image, name in zip(report.seen[:SEEN], report.seen_names[:SEEN], strict=True)
    ]


def _filters(kernel: np.ndarray | None) -> dict | None:
    """The first filters as one picture, and what to say of them; width: of the picture, in filters' pixels."""
    if kernel is None:
        return None
    height, width, channels, count = kernel.shape
    shown = images.filter_pictures(kernel)[: images.MOST_FILTERS]
    sheet = images.sheet(shown, min(FILTER_COLUMNS, len(shown)))
    about = {"height": height, "window": width, "channels": channels, "count": count, "shown": len(shown)}
    return {**about, "picture": images.png(sheet), "width": sheet.shape[1]}


def _pixel_size(report: ClassificationReport) -> str:
    """How CSS enlarges the pictures: small ones by whole pixels, so that each is seen as it is."""
    height, width = np.shape(report.images[:1])[1:3]
    return "pixelated" if max(height, width) <= images.LARGEST else "auto"
