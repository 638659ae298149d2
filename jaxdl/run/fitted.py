"""A classifier's configuration, fitted to its weights and to its data; what is not the flags' own is said."""

import dataclasses
from pathlib import Path

from jaxdl.cpu import memory
from jaxdl.data import folder
from jaxdl.data.dataset import Dataset
from jaxdl.run import preprocessing
from jaxdl.run.config import Config
from jaxdl.run.flags import flag_name
from jaxdl.run.recipes import adapt

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
