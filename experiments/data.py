"""Dataset named by the flags, and whether its pictures are streamed from their files."""

import contextlib
from functools import partial
from pathlib import Path

from experiments import host_memory
from experiments.augmentation import alternates
from experiments.config import Config
from jaxdl.data import folder, pipeline, sources, streaming
from jaxdl.data.dataset import Dataset, Split
from jaxdl.errors import UserError


def load(config: Config) -> Dataset:
    """The dataset that the flags name; prints what was left out of it."""
    dataset = sources.load(
        config.dataset,
        config.data_dir,
        offline=config.offline,
        image_size=config.image_size,
        stream=bool(config.stream),
        progress=True,
    )
    for remark in dataset.remarks:
        print(f"note     {remark}", flush=True)
    return dataset


def streams(config: Config) -> bool:
    """Whether a folder's pictures stay in their files."""
    if config.stream is not None or config.dataset != "folder" or config.data_dir is None:
        return bool(config.stream)
    return folder.decoded_bytes(Path(config.data_dir), size=config.image_size) > host_memory.total() / 2


def train_batches(split: Split, *, start: int, config: Config, **options):
    """A context in which ``batch_at(step)`` reads this process's share of a training batch."""
    if isinstance(split.images, streaming.Pictures):
        if alternates(config):
            raise UserError("--alternate-flips needs pictures in memory: add --no-stream or --no-alternate-flips.")
        return streaming.TrainBatches(split, start=start, workers=config.workers, **options)
    return contextlib.nullcontext(partial(pipeline.train_batch, split, alternate=alternates(config), **options))
