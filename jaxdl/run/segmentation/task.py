"""Semantic segmentation: a class for each pixel."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import losses, overlap
from jaxdl.data import augment, mask_folder
from jaxdl.data.dataset import Dataset
from jaxdl.data.mask_listing import VOC_CLASSES
from jaxdl.errors import UserError
from jaxdl.masks import IGNORED
from jaxdl.metrics import Totals
from jaxdl.report.mask_predictions import MaskPredictions
from jaxdl.run.segmentation import fitted
from jaxdl.run.segmentation.augmentation import colors_of, geometry_of
from jaxdl.run.segmentation.config import SegmentationConfig, weights_of
from jaxdl.run.segmentation.network import model_of
from jaxdl.run.task import Score, Task
from jaxdl.train.gradients import Loss


def load(config: SegmentationConfig) -> Dataset:
    """The pictures and masks in ``--data-dir``; prints what was left out of them."""
    dataset = mask_folder.load(config.data_dir, stream=bool(config.stream), progress=True)
    for remark in dataset.remarks:
        print(f"note     {remark}", flush=True)
    return dataset


def loss_of(config: SegmentationConfig) -> Loss:
    """The loss that the flags name. Raises UserError for a flag that it does not know."""
    loss = losses.OF_PIXELS[config.loss]
    known, options = inspect.signature(loss).parameters, {}
    if config.label_smoothing:
        options["label_smoothing"] = config.label_smoothing
    if (weights := weights_of(config.class_weights)) is not None:
        options["weight"] = weights
    for name, words, flag in (
        ("label_smoothing", "label smoothing", "--label-smoothing 0"),
        ("weight", "weights of the classes", "--class-weights none"),
    ):
        if name in options and name not in known:
            raise UserError(f"--loss {config.loss} knows no {words}: add {flag}.")
    return partial(loss, **options) if options else loss


def right_pixels(logits: jax.Array, masks: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of each image the pixels predicted right, and those that have a class: float32[B] twice."""
    labelled = masks != IGNORED
    right = (logits.argmax(-1) == masks) & labelled
    return right.sum((1, 2), dtype=jnp.float32), labelled.sum((1, 2), dtype=jnp.float32)


def figures_of(totals: Totals, classes: Sequence[str]) -> dict[str, float]:
    """Loss, pixel accuracy, mean IoU, and the IoU of each class that occurs, ``iou/<class>``."""
    totals = Totals(totals)
    matrix, _ = totals.pop("confusion")
    by_class = zip(classes, overlap.iou(matrix), strict=True)
    return {
        **totals.means(),
        "mean_iou": overlap.mean_iou(matrix),
        **{f"iou/{name}": float(value) for name, value in by_class if not np.isnan(value)},
    }


def largest(logits: jax.Array) -> jax.Array:
    """uint8[B, H, W], the class of the largest of ``logits``: float[B, H, W, classes]."""
    return logits.argmax(-1).astype(jnp.uint8)


def _predictions(
    predicted: np.ndarray, masks: np.ndarray, classes: Sequence[str], figures: Mapping[str, float]
) -> MaskPredictions:
    return MaskPredictions(predicted, masks, classes, loss=figures["loss"])


def _review() -> ModuleType:
    from jaxdl.run.segmentation import review  # with what draws and renders, which training needs nothing of

    return review


SEGMENTATION = Task(
    name="segmentation",
    settle=fitted.to_weights,
    load=load,
    adapt=fitted.to_data,
    without_data=fitted.without_data,
    usual_classes=lambda config: {len(VOC_CLASSES): ("PASCAL VOC", VOC_CLASSES)},
    model=model_of,
    loss=loss_of,
    eval_loss=losses.pixel_cross_entropy,
    metrics={"accuracy": right_pixels},
    sums={"confusion": overlap.confusion},
    figures=figures_of,
    score=Score("mean_iou", "mean IoU"),
    augment=colors_of,
    mix=geometry_of,
    prepare=augment.normalize,
    views=lambda config: (),
    kept=largest,
    predictions=_predictions,
    review=_review,
)
