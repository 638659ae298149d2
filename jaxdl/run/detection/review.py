"""Report of a detector's run: figures, its pictures, the diagnosis, and a page that shows them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdl import coco_results, rle
from jaxdl.data import pipeline
from jaxdl.data.dataset import Split
from jaxdl.errors import UserError
from jaxdl.objects import Objects
from jaxdl.report.boxes_drawn import boxed
from jaxdl.report.class_colors import class_colors
from jaxdl.report.detection_page import DetectionReport, render
from jaxdl.report.detection_predictions import DetectionEvaluation, DetectionPredictions
from jaxdl.report.detection_predictions import evaluation_of as evaluation_of
from jaxdl.report.graph import graph
from jaxdl.report.runlog import RunLog
from jaxdl.run.detection.answers import surest
from jaxdl.run.detection.detector import ObjectFinder
from jaxdl.run.detection.other_data import split_of
from jaxdl.run.finished_run import FinishedRun, functions_of
from jaxdl.run.views import View

SEEN = 8  # pictures shown of a batch as the network saw it
WORST = 8  # and of the worst, for TensorBoard
ROWS = 20  # classes, at most, that the terminal lists; the page has all


class Seen(NamedTuple):
    """images: pictures uint8[H, W, 3] of any sizes, pixels again; objects: in each."""

    images: list[np.ndarray]
    objects: list[Objects]


def evaluated(run: FinishedRun, split: Split, views: Sequence[View] | None) -> DetectionPredictions:
    """Objects found in all of ``split``. Raises UserError for ``views``: boxes in mirrored pictures differ."""
    if views:
        raise UserError("--views are of a classifier's logits; leave them out.")
    return ObjectFinder(run).evaluated(split)


def pictures(root: Path, run: FinishedRun) -> Split:
    """The test split of the dataset in ``root``, as PASCAL VOC, COCO or YOLO lay it out, with the run's classes."""
    split, remarks = split_of(root, run.classes)
    for remark in remarks:
        print(f"note  {remark}", flush=True)
    return split


def results(predictions: DetectionPredictions, data: Split) -> dict[str, str]:
    """Further files by name: ``detections.json``, COCO's results of ``data``, numbered as its annotations are."""
    labels = data.labels
    numbers = range(len(predictions)), range(len(predictions.classes))
    entries = coco_results.to_json(predictions.found, image_ids=numbers[0], category_ids=numbers[1])
    for entry in entries:  # of numbers that may be text
        entry["image_id"] = labels.image_ids[entry["image_id"]]
        entry["category_id"] = labels.category_ids[entry["category_id"]]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    return {"detections.json": f"[\n{lines}\n]\n"}


def print_figures(evaluation: DetectionEvaluation, console: Console) -> None:
    """The figures of a split, and of each class, the worst first."""

    def told(value: float | None) -> str:
        return "-" if value is None else f"{value:.2%}"

    masks = f", masks {told(evaluation.mask_ap)}" if evaluation.mask_ap is not None else ""
    console.print(
        f"AP {told(evaluation.ap)}, AP50 {told(evaluation.ap50)}, AP75 {told(evaluation.figures.get('ap75'))}{masks}; "
        f"recall and precision at a confidence of {evaluation.threshold:.0%}"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class, the worst first", overflow="fold")
    for title in ("AP", "AP50", "recall", "precision", "objects"):
        table.add_column(title, justify="right")
    columns = (
        evaluation.ap_by_class,
        evaluation.ap50_by_class,
        evaluation.recall_by_class,
        evaluation.precision_by_class,
    )
    for name in sorted(evaluation.by_class, key=evaluation.by_class.__getitem__)[:ROWS]:
        figures = (told(each[name]) for each in columns)
        table.add_row(Text(name), *figures, f"{evaluation.objects_by_class[name]:,}")
    console.print(table)


def page(run: FinishedRun, contents: Mapping[str, Any], data: Split, seen: Seen | None) -> str:
    """The page of what was evaluated. contents: fields of ``RunReport``; data: its pictures and objects."""
    shown = {} if seen is None else {"seen": seen.images, "seen_objects": seen.objects}
    return render(DetectionReport(**contents, **shown, names=data.files))


def seen_batch(run: FinishedRun, train: Split) -> Seen:
    """The first pictures of the run as its network saw them, augmented, brought back to pixels, and their objects."""
    batch = pipeline.train_batch(train, 0, batch_size=run.config.batch_size, seed=run.config.seed)
    prepared = jax.device_get(jax.jit(functions_of(run).train.prepare)(run.state.key, 0, batch))
    images, objects = [], []
    for row, (height, width) in enumerate(prepared["sizes"][:SEEN].tolist()):
        pixels = prepared["images"][row, :height, :width] * np.array(run.std) + np.array(run.mean)
        images.append(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
        labels = prepared["labels"][row]
        there = np.flatnonzero(labels > 0)
        masks = None
        if "masks" in prepared:
            whole = prepared["masks"][row, :, :height, :width].astype(bool)
            there = there[[bool(whole[each].any()) for each in there]]
            masks = tuple(rle.encode(whole[each]) for each in there)
        objects.append(_objects(prepared["boxes"][row][there], labels[there] - 1, masks))
    return Seen(images, objects)


def log_pictures(
    log: RunLog,
    run: FinishedRun,
    *,
    predictions: DetectionPredictions,
    evaluation: DetectionEvaluation,
    data: Split,
    seen: Seen,
) -> None:
    """For TensorBoard: the network as a graph, a batch as it saw it, the worst pictures with true and found boxes."""
    colors = class_colors(len(run.classes))

    def drawn(image: np.ndarray, of: Any) -> np.ndarray:
        return boxed(image, of.boxes, colors[of.classes], masks=of.masks)

    log.graph(graph(run.model, run.image))
    pairs = list(zip(seen.images, seen.objects, strict=True))
    log.images("augmented_batch", _filled_up([drawn(*each) for each in pairs]), run.step)
    worst = np.sort(predictions.worst(WORST)).tolist()
    if worst:
        found = [surest(predictions.found[row], evaluation.threshold) for row in worst]
        truth = [predictions.truth[row] for row in worst]
        both = [
            np.concatenate([drawn(data.images[row], each) for each in (true, there)], axis=1)
            for row, true, there in zip(worst, truth, found, strict=True)
        ]
        log.images("worst_picture_truth_detections", np.stack(both), run.step)
    log.hyperparameters(run.record["config"], {f"test_{name}": value for name, value in predictions.figures.items()})


def _filled_up(images: Sequence[np.ndarray]) -> np.ndarray:
    """uint8[N, H, W, 3]: ``images`` in the upper left of the size of the largest."""
    height, width = np.max([image.shape[:2] for image in images], axis=0)
    whole = np.zeros((len(images), height, width, 3), np.uint8)
    for row, image in enumerate(images):
        whole[row, : image.shape[0], : image.shape[1]] = image
    return whole


def _objects(boxes: np.ndarray, classes: np.ndarray, masks: tuple | None) -> Objects:
    none = np.zeros(len(boxes), bool)
    return Objects(boxes, classes, none, none, (boxes[:, 2:] - boxes[:, :2]).prod(1), masks)
