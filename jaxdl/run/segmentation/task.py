"""Semantic segmentation: a class for each pixel."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import losses, overlap
from jaxdl.cpu import memory
from jaxdl.data import augment, mask_folder
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.masks import IGNORED
from jaxdl.metrics import Totals
from jaxdl.report.mask_predictions import MaskPredictions
from jaxdl.run.channels import DATA, IMAGENET, WEIGHTS
from jaxdl.run.segmentation.augmentation import colors_of, geometry_of
from jaxdl.run.segmentation.config import BALANCED, SegmentationConfig, weights_of
from jaxdl.run.segmentation.network import FIELDS, model_of
from jaxdl.run.task import Score, Task
from jaxdl.train.gradients import Loss


def settled(config: SegmentationConfig, given: frozenset[str]) -> SegmentationConfig:
    """``config`` with its network, whether pictures are streamed, and how pixels are normalised: with pretrained
    weights as ImageNet's, else by the data's own."""
    if config.stream is None and config.data_dir is not None:
        config = dataclasses.replace(config, stream=mask_folder.decoded_bytes(config.data_dir) > memory.total() / 2)
    if "model" in given:  # the recipe's backbone is for its own
        config = dataclasses.replace(config, **dict.fromkeys(set(FIELDS) - given))
    if config.normalize == WEIGHTS and not config.pretrained:
        raise UserError("--normalize weights: there are none. Name them with --pretrained, or choose another.")
    if config.normalize not in (None, WEIGHTS):
        return config
    return dataclasses.replace(config, normalize=IMAGENET if config.pretrained else DATA)


def load(config: SegmentationConfig) -> Dataset:
    """The pictures and masks in ``--data-dir``; prints what was left out of them."""
    dataset = mask_folder.load(config.data_dir, stream=bool(config.stream), progress=True)
    for remark in dataset.remarks:
        print(f"note     {remark}", flush=True)
    return dataset


def adapted(config: SegmentationConfig, dataset: Dataset, given: frozenset[str]) -> SegmentationConfig:
    """``config`` with the size of the validation split and the weights of the classes settled."""
    splits = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    mask_folder.check_labelled({name: split for name, split in splits.items() if split is not None})
    examples = len(dataset.train)
    if dataset.val is not None:
        if config.val_size and "val_size" in given:
            raise UserError("val/ holds the pictures that validate: leave out --val-size, or --val-size 0 for none.")
        val_size = len(dataset.val) if config.val_size is None else config.val_size
    else:
        val_size = examples // 10 if config.val_size is None else config.val_size
    config = dataclasses.replace(config, val_size=val_size)
    left = examples if dataset.val is not None else examples - val_size
    if "batch_size" not in given and config.batch_size > left:
        config = dataclasses.replace(config, batch_size=max(left - left % config.accumulate, 1))
    if config.class_weights == BALANCED:
        shares = sum(np.bincount(mask.ravel(), minlength=IGNORED + 1) for mask in dataset.train.labels)
        shares = shares[: len(dataset.classes)]
        weights = np.where(shares > 0, np.median(shares[shares > 0]) / np.maximum(shares, 1), 1.0)
        config = dataclasses.replace(config, class_weights=",".join(f"{each:.4g}" for each in weights))
        print(f"note     weights of the classes: {config.class_weights}", flush=True)
    weights = weights_of(config.class_weights)
    if weights is not None and len(weights) != len(dataset.classes):
        raise UserError(f"--class-weights has {len(weights)} numbers; the data has {len(dataset.classes)} classes.")
    return config


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
    settle=settled,
    load=load,
    adapt=adapted,
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
