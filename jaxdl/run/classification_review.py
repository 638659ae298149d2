"""Report of a classifier's run: figures, every prediction, the diagnosis, and a page that shows them."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl.data import augment, folder
from jaxdl.data.dataset import Split
from jaxdl.data.streaming import Pictures
from jaxdl.report.classification_page import ClassificationReport, render
from jaxdl.report.confusion_picture import confusion_picture
from jaxdl.report.evaluation import Evaluation, Predictions
from jaxdl.report.evaluation import evaluation_of as evaluation_of
from jaxdl.report.feature_maps import feature_maps, sheet
from jaxdl.report.graph import graph
from jaxdl.report.layers import layers
from jaxdl.report.runlog import RunLog
from jaxdl.run.classifier import Classifier
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.review import first_batch
from jaxdl.run.views import View
from jaxdl.transfer import imagenet
from jaxdl.variables import flat

SEEN = 32  # images shown of a batch as the network saw it
BESIDE = 8  # images whose layers' outputs are shown
LAYERS = 12  # the first ones, of which the convolutions are shown
MISTAKES = 36
ROWS = 20  # classes, at most, that the terminal lists; the page has all


class Seen(NamedTuple):
    """images: uint8[B, H, W, C], pixels again; names: their classes, with shares where images were mixed."""

    images: np.ndarray
    names: tuple[str, ...]


def evaluated(run: FinishedRun, split: Split, views: Sequence[View] | None) -> Predictions:
    """Predictions for all of ``split``; views: as of ``Classifier``. A bar if it takes a while."""
    logits = Classifier(run, views=views).logits(split.images, doing="evaluating")
    return Predictions(logits, split.labels, run.classes)


def pictures(root: Path, run: FinishedRun) -> Split:
    """The pictures in ``root/<class>/``, whose classes are among the run's."""
    names, labels, remarks = folder.labelled(root, run.classes, also=imagenet.other_names(run.classes))
    for remark in remarks:
        print(f"note  {remark}", flush=True)
    return Split(Pictures(root, names, run.framing), labels, names)


def print_figures(evaluation: Evaluation, console: Console) -> None:
    """The figures of a split, the worst classes, and what is taken for what."""
    top5 = "" if evaluation.top5 is None else f", top-5 {evaluation.top5:.2%}"
    console.print(
        f"accuracy {evaluation.top1:.2%}{top5}, loss {evaluation.loss:.4f}, "
        f"calibration error {evaluation.calibration_error:.2%}"
    )
    there = [each for each in evaluation.classes if evaluation.per_class[each]["support"]]
    worst = sorted(there, key=lambda each: evaluation.per_class[each]["f1"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class, the worst first", overflow="fold")
    for title in ("precision", "recall", "f1", "images"):
        table.add_column(title, justify="right")
    rows = [(each, evaluation.per_class[each]) for each in worst[:ROWS]]
    for title, figures in [*rows, ("macro average", evaluation.macro), ("weighted average", evaluation.weighted)]:
        numbers = (f"{figures[figure]:.2%}" for figure in ("precision", "recall", "f1"))
        table.add_row(Text(title), *numbers, f"{figures['support']:,}")
    console.print(table)
    for true, predicted, count in evaluation.confused_pairs(3):
        names = evaluation.classes
        console.print(f"{count:,} of {names[true]} taken for {names[predicted]}")


def page(run: FinishedRun, contents: Mapping[str, Any], data: Split, seen: Seen | None) -> str:
    """The page of what was evaluated. contents: fields of ``RunReport``; data: its images."""
    shown = {} if seen is None else {"seen": seen.images, "seen_names": seen.names}
    return render(ClassificationReport(**contents, **shown, filters=first_filters(run)))


def seen_batch(run: FinishedRun, train: Split) -> Seen:
    """The first batch of the run as its network saw it: augmented, mixed if it was, and brought back to pixels."""
    pixels, labels = first_batch(run, train, SEEN)
    return Seen(pixels, tuple(_name(label, run.classes) for label in labels))


def log_pictures(
    log: RunLog, run: FinishedRun, *, predictions: Predictions, evaluation: Evaluation, data: Split, seen: Seen
) -> None:
    """For TensorBoard: the network as a graph, a batch as it saw it, layers' outputs beside the images, mistakes."""
    log.graph(graph(run.model, run.image))
    mistakes = np.sort(predictions.confident_mistakes(MISTAKES))
    log.images("augmented_batch", seen.images, run.step)
    images = data.images
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
