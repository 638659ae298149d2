"""Batches as a detector takes them: augmented, normalised, and brought to the sizes in which it sees pictures."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.detection import augment
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.detection.inference import normalised
from jaxdl.detection.resizing import resize_targets, sizes_within
from jaxdl.run.detection.config import DetectionConfig, canvas_of
from jaxdl.run.detection.network import model_of
from jaxdl.run.task import Inputs
from jaxdl.train.gradients import Batch

SMALLEST = 1.0  # pixels, of a side of an object to learn from


def inputs_of(config: DetectionConfig, *, mean: Sequence[float], std: Sequence[float]) -> Inputs:
    """The functions of a batch that the steps compile."""
    seen, canvas = partial(sizes_within, **limits_of(config)), canvas_of(config)
    augmented = augmentation_of(config)

    def transform(key: jax.Array, batch: Batch) -> dict[str, Any]:
        pictures, targets = augmented(key, _pictures(batch), _targets(batch))
        targets = augment.sanitize(targets, pictures.sizes, SMALLEST)
        sizes = seen(pictures.sizes)
        x = normalised(pictures, sizes, canvas, mean=mean, std=std)
        found = resize_targets(targets, pictures.sizes, sizes, canvas)
        masks = {} if found.masks is None else {"masks": found.masks}
        return {**batch, "images": x.images, "sizes": sizes, "boxes": found.boxes, "labels": found.labels, **masks}

    def train(batch: Batch) -> tuple[tuple, dict[str, Any]]:
        return (_pictures(batch),), {"targets": _targets(batch)}

    def evaluation(batch: Batch) -> tuple[tuple, dict[str, Any]]:
        pictures = _pictures(batch)
        return (normalised(pictures, seen(pictures.sizes), canvas, mean=mean, std=std),), {}

    return Inputs(train, evaluation, transform)


def limits_of(config: DetectionConfig) -> dict[str, Any]:
    """Arguments of ``sizes_within``: of the flags, or else of the network."""
    model = model_of(config, num_classes=1)
    return {"min_size": model.min_size, "max_size": model.max_size, "canvas": canvas_of(config)}


def augmentation_of(config: DetectionConfig) -> Any:
    """The transform of training pictures and their objects, as ``detection.augment`` has them."""
    transforms = []
    if config.mosaic:
        transforms.append(partial(augment.mosaic, probability=config.mosaic))
    if config.iou_crop:
        transforms.append(augment.iou_crop)
    if (scale := (config.min_scale, config.max_scale)) != (1.0, 1.0):
        transforms.append(
            lambda key, x, targets: augment.scale_jitter(key, x, targets, x.images.shape[1:3], scale=scale)
        )
    if config.flip:
        transforms.append(augment.flip)
    if config.colors:
        transforms.append(augment.photometric_distort)
    return augment.compose(*transforms)


def _pictures(batch: Batch) -> ImageList:
    """Rows that only fill up the batch have a size, too, or what is computed of them would not be finite."""
    return ImageList(batch["images"], jnp.maximum(batch["sizes"], 1))


def _targets(batch: Batch) -> Targets:
    return Targets(batch["boxes"], batch["labels"], batch.get("masks"))
