"""Report of a segmenter's run: figures, its pictures, the diagnosis, and a page that shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl.data import mask_folder
from jaxdl.data.dataset import Split
from jaxdl.errors import UserError
from jaxdl.report.class_colors import class_colors, overlaid
from jaxdl.report.graph import graph
from jaxdl.report.mask_predictions import MaskPredictions, SegmentationEvaluation
from jaxdl.report.mask_predictions import evaluation_of as evaluation_of
from jaxdl.report.runlog import RunLog
from jaxdl.report.segmentation_page import SegmentationReport, render
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.review import first_batch
from jaxdl.run.segmentation.segmented import Segmented
from jaxdl.run.views import View
from jaxdl.wording import printable

SEEN = 8  # pictures shown of a batch as the network saw it
WORST = 8  # and of the worst, for TensorBoard
NAMED = 3  # classes in an error
ROWS = 20  # classes, at most, that the terminal lists; the page has all


class Seen(NamedTuple):
    """images: uint8[B, H, W, C], pixels again; masks: uint8[B, H, W]."""

    images: np.ndarray
    masks: np.ndarray


def evaluated(run: FinishedRun, split: Split, views: Sequence[View] | None) -> MaskPredictions:
    """Predicted masks for all of ``split``. Raises UserError for ``views``: masks of mirrored pictures differ."""
    if views:
        raise UserError("--views are of a classifier's logits; leave them out.")
    return Segmented(run).evaluated(split)


def pictures(root: Path, run: FinishedRun) -> Split:
    """The pictures and masks in ``root/images`` and ``root/masks``, of the run's classes."""
    if (named := mask_folder.classes_of(root)) is not None and named[1] != run.classes:
        where, names = named
        raise UserError(
            f"{printable(str(where))} names other classes ({_some(names)}) than the network has ({_some(run.classes)})."
            + ("" if run.config.out else " With a network without a run, --classes FILE names its own.")
        )
    split, remarks = mask_folder.labelled(root, run.classes, shorter=run.config.resize, progress=True)
    mask_folder.check_labelled({str(root): split})
    for remark in remarks:
        print(f"note  {remark}", flush=True)
    return split


def _some(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - NAMED} more" if len(classes) > NAMED else ""
    return ", ".join(map(printable, classes[:NAMED])) + more


def print_figures(evaluation: SegmentationEvaluation, console: Console) -> None:
    """The figures of a split, and of each class, the worst first."""
    console.print(
        f"mean IoU {evaluation.mean_iou:.2%}, pixel accuracy {evaluation.accuracy:.2%}, loss {evaluation.loss:.4f}"
    )
    matrix = np.array(evaluation.confusion)
    share = matrix.sum(1) / max(matrix.sum(), 1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class, the worst first", overflow="fold")
    for title in ("IoU", "of the pixels"):
        table.add_column(title, justify="right")
    for name in sorted(evaluation.by_class, key=evaluation.by_class.__getitem__)[:ROWS]:
        table.add_row(Text(name), f"{evaluation.iou[name]:.2%}", f"{share[evaluation.classes.index(name)]:.2%}")
    console.print(table)


def page(run: FinishedRun, contents: Mapping[str, Any], data: Split, seen: Seen | None) -> str:
    """The page of what was evaluated. contents: fields of ``RunReport``; data: its pictures and masks."""
    shown = {} if seen is None else {"seen": seen.images, "seen_masks": seen.masks}
    return render(SegmentationReport(**contents, **shown, names=data.files))


def seen_batch(run: FinishedRun, train: Split) -> Seen:
    """The first pictures of the run as its network saw them, augmented and brought back to pixels, and their masks."""
    return Seen(*first_batch(run, train, SEEN))


def log_pictures(
    log: RunLog,
    run: FinishedRun,
    *,
    predictions: MaskPredictions,
    evaluation: SegmentationEvaluation,
    data: Split,
    seen: Seen,
) -> None:
    """For TensorBoard: the network as a graph, a batch as it saw it, the worst pictures with both masks."""
    colors = class_colors(len(run.classes))

    def drawn(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        return np.stack([overlaid(*each, colors) for each in zip(images, masks, strict=True)])

    log.graph(graph(run.model, run.image))
    log.images("augmented_batch", drawn(seen.images, seen.masks), run.step)
    worst = np.sort(predictions.worst(WORST))
    if len(worst):
        images = data.images[worst]
        masks = [drawn(images, each[worst]) for each in (predictions.masks, predictions.predicted)]
        log.images("worst_picture_truth_prediction", np.concatenate([images, *masks], axis=2), run.step)
    log.hyperparameters(run.record["config"], {f"test_{name}": value for name, value in predictions.figures.items()})
