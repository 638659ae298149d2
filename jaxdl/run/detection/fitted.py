"""A detector's configuration, fitted to its weights and to its data; what is not the flags' own is said."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.cpu import memory
from jaxdl.data.dataset import Dataset
from jaxdl.data.detection import box_folder
from jaxdl.detection.resizing import canvas_of, seen_sizes
from jaxdl.errors import UserError
from jaxdl.models.mask_rcnn import MaskRCNN
from jaxdl.run.channels import DATA, IMAGENET, WEIGHTS
from jaxdl.run.detection.config import DetectionConfig
from jaxdl.run.detection.network import FIELDS, model_of
from jaxdl.saved_model import SavedModel


def to_weights(config: DetectionConfig, given: frozenset[str]) -> DetectionConfig:
    """``config`` with its network, whether pictures are streamed, and how pixels are normalised, settled."""
    changes: dict[str, Any] = {}
    if config.stream is None and config.data_dir is not None:
        changes["stream"] = box_folder.decoded_bytes(config.data_dir) > memory.total() / 2
    if "model" in given:  # the recipe's backbone and sizes are for its own
        changes |= dict.fromkeys({*FIELDS, "anchor_sizes"} - given)
    if config.frozen_norms is None and "frozen_norms" not in given:
        usual = model_of(dataclasses.replace(config, frozen_norms=None), num_classes=1).frozen_norms
        changes["frozen_norms"] = usual and config.pretrained is not None
    if config.normalize == WEIGHTS and not config.pretrained:
        raise UserError("--normalize weights: there are none. Name them with --pretrained, or choose another.")
    if config.normalize in (None, WEIGHTS):
        changes["normalize"] = IMAGENET  # torchvision's detectors and backbones all saw pixels so
    if config.normalize == DATA and config.stream:
        raise UserError("--normalize data needs pictures in memory: add --no-stream, or choose another.")
    return dataclasses.replace(config, **changes)


def to_data(config: DetectionConfig, dataset: Dataset, given: frozenset[str]) -> DetectionConfig:
    """``config`` with the size of a batch's pictures and that of the validation split settled."""
    model = model_of(config, num_classes=len(dataset.classes))
    if isinstance(model, MaskRCNN) and not dataset.train.labels.masks:
        raise UserError(
            f"{config.model} learns masks, and the data has none: choose another --model, such as faster_rcnn."
        )
    if not any(len(each) for each in dataset.test.labels.objects):
        raise UserError("the test pictures have no object: there is nothing to measure.")
    splits = [split for split in (dataset.train, dataset.val, dataset.test) if split is not None]
    sizes = np.unique(np.concatenate([split.sizes for split in splits]), axis=0)
    height, width = canvas_of(seen_sizes(sizes, min_size=model.min_size, max_size=model.max_size))
    examples = len(dataset.train)
    if dataset.val is not None:
        if config.val_size and "val_size" in given:
            raise UserError("the data brings pictures that validate: leave out --val-size, or --val-size 0 for none.")
        val_size = len(dataset.val) if config.val_size is None else config.val_size
    else:
        val_size = examples // 10 if config.val_size is None else config.val_size
    left = examples if dataset.val is not None else examples - val_size
    changes: dict[str, Any] = {"canvas": f"{height}x{width}", "val_size": val_size}
    if "batch_size" not in given and config.batch_size > left:
        changes["batch_size"] = max(left - left % config.accumulate, 1)
    return dataclasses.replace(config, **changes)


def without_data(settings: Mapping[str, Any], saved: SavedModel | None) -> tuple[DetectionConfig, tuple[int, int, int]]:
    """The configuration for weights without a run, and (H, W, C) of one of its pictures, of which it takes any size."""
    side = settings.get("image_size")
    config = DetectionConfig(
        **{name: value for name, value in settings.items() if name not in ("image_size", "resize")}
    )
    model = model_of(config, num_classes=1)
    usual = saved.image[0] if saved else model.min_size
    image = (side or usual, side or usual, 3)
    canvas = canvas_of(seen_sizes(np.array([image[:2]]), min_size=model.min_size, max_size=model.max_size))
    changes = {"canvas": f"{canvas[0]}x{canvas[1]}"}
    if config.normalize in (None, WEIGHTS):
        changes["normalize"] = IMAGENET
    return dataclasses.replace(config, **changes), image
