"""The dataset that the flags name, and the configuration settled for it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from jaxdl import cluster
from jaxdl.cpu import memory
from jaxdl.data import decoding, folder, sources
from jaxdl.data.dataset import Dataset
from jaxdl.data.framing import INTERPOLATIONS, STRETCHED
from jaxdl.data.streaming import Pictures
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import preprocessing, recorded, run_folder
from jaxdl.run.config import Config
from jaxdl.run.flags import flag_name, in_flags
from jaxdl.run.recipes import adapt

LONGEST_LOOK = 20.0  # seconds, for other pictures that cannot be read
OF_PICTURES = ("image_size", "resize", "interpolation", "workers")
UNUSED = {"digits": ("data_dir", "stream", *OF_PICTURES), "cifar10": OF_PICTURES}


def load(config: Config) -> Dataset:
    """The dataset that the flags name; prints what was left out of it."""
    dataset = sources.load(
        config.dataset,
        config.data_dir,
        offline=config.offline,
        image_size=config.image_size,
        resize=config.resize or STRETCHED,
        interpolation=config.interpolation or INTERPOLATIONS[0],
        stream=bool(config.stream),
        progress=True,
    )
    if dataset.notice:
        dataset = dataclasses.replace(dataset, notice=in_flags(dataset.notice, Config))
    for remark in dataset.remarks:
        print(f"note     {remark}", flush=True)
    return dataset


def streams(config: Config) -> bool:
    """Whether a folder's pictures stay in their files."""
    if config.stream is not None or config.dataset != "folder" or config.data_dir is None:
        return bool(config.stream)
    return folder.decoded_bytes(Path(config.data_dir), size=config.image_size) > memory.total() / 2


@contextlib.contextmanager
def all_unreadable_named(dataset: Dataset) -> Iterator[None]:
    """A context in which a streamed picture that cannot be read has the others looked for, and all named at once."""
    try:
        yield
    except decoding.UnreadableError as error:
        streamed = [split.images for split in (dataset.train, dataset.test) if isinstance(split.images, Pictures)]
        if not streamed or jax.process_count() > 1:
            raise
        print("looking whether other pictures cannot be read either", flush=True)
        paths = [path for pictures in streamed for path in pictures.paths]
        raise decoding.unreadable(paths, seconds=LONGEST_LOOK) or error from error


def load_for(
    config: Config, given: frozenset[str], record: dict[str, Any] | None, *, load: Callable[[Config], Dataset]
) -> tuple[Config, Dataset]:
    """The dataset of a new run, or of the one that ``record`` describes, and ``config`` settled for it.

    given: names of the flags that stay as they are; what else depends on the data and the weights is adapted to them.
    Raises UserError where a new run's folder is there already, or the data is not that which the run began with.
    """
    if record is None:
        cluster.on_first(lambda: run_folder.refuse_existing(config))
        config = preprocessing.settled(config, given)
        config = dataclasses.replace(config, stream=streams(config))  # for good, on whatever machine it is resumed
    with Heartbeat("reading the data"):
        dataset = load(config)
    if record is not None:
        recorded.check_same_data(record, dataset)
        return config, dataset
    unused = [flag_name(name) for name in UNUSED.get(dataset.name, ()) if name in given]
    if unused:
        print(f"note     {dataset.name} makes nothing of {', '.join(unused)}", flush=True)
    if config.cache_features:
        from jaxdl.run.cached_features import unaugmented  # with what makes and takes features

        config = unaugmented(config, given)
        print("note     features are computed once, without augmentation and views", flush=True)
    asked, config = config, adapt(config, dataset, given)
    fitted = [f"batches of {config.batch_size}"] if config.batch_size != asked.batch_size else []
    fitted += [f"learning rate {config.lr:g}"] if config.lr != asked.lr else []
    fitted += ["no mirroring"] if (config.flip, config.test_flip) != (asked.flip, asked.test_flip) else []
    if fitted and not config.check:
        print(f"note     fitted to these images: {', '.join(fitted)}", flush=True)
    if config.pretrained:
        from jaxdl.run.initial_weights import fitted_to_weights  # with all that reads files of weights

        image = dataset.train.images.shape[1:]
        config = fitted_to_weights(config, num_classes=len(dataset.classes), image=image)
    return config, dataset
