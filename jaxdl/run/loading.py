"""The dataset that the flags name, and the configuration settled for it."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax

from jaxdl import cluster
from jaxdl.data import decoding, sources
from jaxdl.data.dataset import Dataset
from jaxdl.data.framing import INTERPOLATIONS, STRETCHED
from jaxdl.data.streaming import Pictures
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import recorded, run_folder
from jaxdl.run.config import Config
from jaxdl.run.flags import in_flags

if TYPE_CHECKING:
    from jaxdl.run.task import Task

LONGEST_LOOK = 20.0  # seconds, for other pictures that cannot be read


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
    config: Config, given: frozenset[str], record: dict[str, Any] | None, *, task: "Task"
) -> tuple[Config, Dataset]:
    """The dataset of a new run, or of the one that ``record`` describes, and ``config`` settled for it.

    given: names of the flags that stay as they are; what else depends on the data and the weights is adapted to them.
    Raises UserError where a new run's folder is there already, or the data is not that which the run began with.
    """
    if record is None:
        cluster.on_first(lambda: run_folder.refuse_existing(config))
        config = task.settle(config, given)
    with Heartbeat("reading the data"):
        dataset = task.load(config)
    if record is not None:
        recorded.check_same_data(record, dataset)
        return config, dataset
    return task.adapt(config, dataset, given), dataset
