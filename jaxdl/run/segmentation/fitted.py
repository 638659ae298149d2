"""A segmenter's configuration, fitted to its weights and to its data; what is not the flags' own is said."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.cpu import memory
from jaxdl.data import mask_folder
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.masks import IGNORED
from jaxdl.run import preprocessing
from jaxdl.run.channels import DATA, IMAGENET, WEIGHTS
from jaxdl.run.flags import flag_name
from jaxdl.run.segmentation.config import BALANCED, SegmentationConfig, weights_of
from jaxdl.run.segmentation.network import FIELDS, model_of
from jaxdl.saved_model import SavedModel

SIDE = 224  # pixels of a picture that a demo compiles and an export takes, of weights of which nobody knows


def to_weights(config: SegmentationConfig, given: frozenset[str]) -> SegmentationConfig:
    """``config`` with its network, whether pictures are streamed, and how pixels are normalised: as pretrained weights
    saw them, of whom nobody knows as ImageNet's, and without any by the data's own."""
    if config.stream is None and config.data_dir is not None:
        config = dataclasses.replace(config, stream=mask_folder.decoded_bytes(config.data_dir) > memory.total() / 2)
    if "model" in given:  # the recipe's backbone is for its own
        config = dataclasses.replace(config, **dict.fromkeys(set(FIELDS) - given))
    if config.normalize == WEIGHTS and not config.pretrained:
        raise UserError("--normalize weights: there are none. Name them with --pretrained, or choose another.")
    if config.normalize not in (None, WEIGHTS):
        return config
    if not config.pretrained:
        return dataclasses.replace(config, normalize=DATA)
    known = pixels_of(config)
    return dataclasses.replace(config, normalize=IMAGENET if known is None else known.normalize)


def to_data(config: SegmentationConfig, dataset: Dataset, given: frozenset[str]) -> SegmentationConfig:
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


def without_data(
    settings: Mapping[str, Any], saved: SavedModel | None
) -> tuple[SegmentationConfig, tuple[int, int, int]]:
    """The configuration for weights without a run, and (H, W, C) of one of its pictures, of which it takes any size.

    settings: the fields that were given. saved: the network, where the weights bring it. Raises UserError for what is a
    classifier's alone, and where nobody knows how pixels are to be normalised.
    """
    for name in ("stem", "transform_input", "interpolation"):
        if name in settings:
            raise UserError(f"{flag_name(name)} is not for {settings['model']}: leave it out.")
    if settings.get("normalize") == DATA:
        raise UserError("--normalize data: there are none here. Give imagenet, none, weights or MEAN/STD.")
    side, given = settings.get("image_size"), frozenset(settings)
    config = SegmentationConfig(**{name: value for name, value in settings.items() if name != "image_size"})
    known = pixels_of(config)
    if known is None and config.normalize is None:
        raise UserError("nothing tells how the weights saw their pixels: give --normalize imagenet, none or MEAN/STD.")
    config = to_weights(config, given)
    assumed = known is None or known.assumed
    if config.resize is None and not assumed:
        config = dataclasses.replace(config, resize=known.framing.resize)
    if "normalize" not in given:
        by = " (assumed; --normalize says otherwise)" if assumed else f", as {known.by} has them"
        sizes = f"shorter side {config.resize}" if config.resize else "as they are"
        print(f"note     pictures: {sizes}, pixels normalised by {config.normalize}{by}", flush=True)
    usual = SIDE if known is None else known.framing.size
    image = saved.image if saved and side is None else (side or usual, side or usual, 3)
    return config, image


def pixels_of(config: SegmentationConfig) -> preprocessing.Preprocessing | None:
    """Pictures that the weights in ``--pretrained`` expect, a segmenter's or a backbone's; None where nobody knows."""
    names = (config.model, getattr(model_of(config, num_classes=1), "backbone", None))
    told = (preprocessing.of_weights(config.pretrained, name) for name in names if name is not None)
    return next(filter(None, told), None)
