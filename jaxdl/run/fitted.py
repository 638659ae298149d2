"""A classifier's configuration, fitted to its weights and to its data; what is not the flags' own is said."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl import models
from jaxdl.cpu import memory
from jaxdl.data import folder
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.run import preprocessing
from jaxdl.run.config import Config
from jaxdl.run.flags import flag_name
from jaxdl.run.recipes import adapt
from jaxdl.run.segmentation.network import FIELDS, check_fields

if TYPE_CHECKING:
    from jaxdl.saved_model import SavedModel

OF_PICTURES = ("image_size", "resize", "interpolation", "workers")
UNUSED = {"digits": ("data_dir", "stream", *OF_PICTURES), "cifar10": OF_PICTURES}


def to_weights(config: Config, given: frozenset[str]) -> Config:
    """``config`` with the pictures settled that are read. given: names of the flags that stay as they are."""
    config = preprocessing.settled(config, given)
    return dataclasses.replace(config, stream=streams(config))  # for good, on whatever machine it is resumed


def streams(config: Config) -> bool:
    """Whether a folder's pictures stay in their files."""
    if config.stream is not None or config.dataset != "folder" or config.data_dir is None:
        return bool(config.stream)
    return folder.decoded_bytes(Path(config.data_dir), size=config.image_size) > memory.total() / 2


def to_data(config: Config, dataset: Dataset, given: frozenset[str]) -> Config:
    """``config`` with what depends on the images and the weights settled; flags in ``given`` stay as they are."""
    unused = [flag_name(name) for name in UNUSED.get(dataset.name, ()) if name in given]
    if unused:
        print(f"note     {dataset.name} makes nothing of {', '.join(unused)}", flush=True)
    if config.cache_features:
        from jaxdl.run.cached_features import unaugmented  # with what makes and takes features

        config = unaugmented(config, given)
        print("note     features are computed once, without augmentation and views", flush=True)
    asked, config = config, adapt(config, dataset, given)
    changed = [f"batches of {config.batch_size}"] if config.batch_size != asked.batch_size else []
    changed += [f"learning rate {config.lr:g}"] if config.lr != asked.lr else []
    changed += ["no mirroring"] if (config.flip, config.test_flip) != (asked.flip, asked.test_flip) else []
    if changed and not config.check:
        print(f"note     fitted to these images: {', '.join(changed)}", flush=True)
    if config.pretrained:
        from jaxdl.run.initial_weights import fitted_to_weights  # with all that reads files of weights

        image = dataset.train.images.shape[1:]
        config = fitted_to_weights(config, num_classes=len(dataset.classes), image=image)
    return config


def without_data(settings: Mapping[str, Any], saved: "SavedModel | None") -> tuple[Config, tuple[int, int, int]]:
    """The configuration for weights without a run, and (H, W, C) of a picture as the network sees it.

    settings: the fields that were given. saved: the network, where the weights bring it. Raises UserError for what is a
    segmenter's alone.
    """
    check_fields(settings["model"], [name for name in FIELDS if name in settings])
    if saved is not None and "image_size" not in settings and not saved.about:
        settings = {**settings, "image_size": saved.image[0]}
    config = preprocessing.settled(Config(dataset="folder", **settings), frozenset(settings))
    if config.stem is not None and not models.has_stem(config.model):
        raise UserError(f"{config.model} has no stem to choose: leave --stem out.")
    return config, (config.image_size, config.image_size, 3)
