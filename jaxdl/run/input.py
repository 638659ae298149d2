"""Input of the training steps: batch by batch from the host, or from the device where all images lie."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.dtypes import canonicalize_dtype

from jaxdl.data import pipeline, streaming
from jaxdl.data.dataset import Split
from jaxdl.data.prefetch import Prefetch
from jaxdl.errors import UserError
from jaxdl.run.augmentation import alternates
from jaxdl.run.config import Config
from jaxdl.run.training import Training
from jaxdl.train import parallel
from jaxdl.train.resident import make_resident_steps

STEPS_PER_CALL = 50  # updates in one program, and between two looks at whether the run is to stop
SHARE = 0.25  # of the device's memory that the images may take
WITHOUT_WORD = 2**30  # bytes that they may take where the device does not say how much it has


class Feed(NamedTuple):
    """Arguments of ``fit`` by these names; ``batch_of(step, fed)`` is the placed batch of a step, counted from 0, made
    of what ``batch_at`` returned for it."""

    train_step: Callable[..., Any]
    batch_at: Callable[[int], Any]
    steps_per_call: int | None
    batch_of: Callable[[int, Any], parallel.PlacedBatch]


def fits_on_device(config: Config, devices: parallel.Devices, train: Split) -> bool:
    """Whether the training images lie on the device: as the flag says, else on an accelerator alone, where they fit.

    On a CPU nothing is won: the images are there already, and XLA's loops are no faster than the host's. Raises
    UserError where the flag asks for what cannot be.
    """
    if config.resident is False:
        return False
    streamed, alone = not isinstance(train.images, np.ndarray), devices.kind == "single"
    if config.resident and streamed:
        raise UserError("--resident needs the pictures in memory: add --no-stream, or leave out --resident.")
    if config.resident and not alone:
        raise UserError(f"--resident is for one device, not for {devices}: add --parallel single, or leave it out.")
    if config.resident:
        return True
    if streamed or not alone or devices.devices[0].platform == "cpu":
        return False
    memory = (devices.devices[0].memory_stats() or {}).get("bytes_limit")
    return train.images.nbytes <= (SHARE * memory if memory else WITHOUT_WORD)


def batch_described(split: Split, size: int, **flags: bool) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of a batch on one device. flags: what it has of one truth value an image, if that holds."""
    first = pipeline.eval_batch(split, 0, batch_size=1)
    described = {
        name: jax.ShapeDtypeStruct((size, *array.shape[1:]), canonicalize_dtype(array.dtype))
        for name, array in first.items()
        if name != "mask"
    }
    return described | {name: jax.ShapeDtypeStruct((size,), bool) for name, there in flags.items() if there}


@contextlib.contextmanager
def feed(training: Training, *, start: int, stop: int | None = None) -> Iterator[Feed]:
    """A context with the batches of ``training`` from step ``start`` to ``stop``, its last if None."""
    config, devices, train = training.config, training.devices, training.train
    step, rows = training.step_functions.train, devices.padded(config.batch_size)
    with train_batches(train, config, start=start, rows=devices.share(rows), padded_size=rows) as batch_at:
        put = partial(devices.place, examples=config.batch_size)
        if fits_on_device(config, devices, train):
            options = {"batch_size": config.batch_size, "seed": config.seed, "alternate": alternates(config)}
            yield Feed(
                make_resident_steps(step, devices.put({"images": train.images, "labels": train.labels})),
                partial(pipeline.train_feed, train, steps=STEPS_PER_CALL, **options),
                STEPS_PER_CALL,
                lambda step, feed: put(batch_at(step)),
            )
        else:
            with Prefetch(batch_at, start=start, stop=training.steps if stop is None else stop, put=put) as placed:
                takeover = training.takeover
                if takeover is None:
                    train_step = devices.compile(step)
                else:
                    described = batch_described(train, config.batch_size, mirrored=alternates(config))
                    takeover.begin(start, training.state, described)
                    train_step = takeover.begun_at(start, meanwhile=training.evaluation.begin)
                yield Feed(train_step, placed, None, lambda step, batch: batch)


def train_batches(split: Split, config: Config, *, start: int, rows: slice, padded_size: int):
    """A context in which ``batch_at(step)`` reads this process's ``rows`` of a training batch."""
    options = {"batch_size": config.batch_size, "seed": config.seed, "rows": rows, "padded_size": padded_size}
    if isinstance(split.images, streaming.Pictures):
        if alternates(config):
            raise UserError("--alternate-flips needs pictures in memory: add --no-stream or --no-alternate-flips.")
        return streaming.TrainBatches(split, start=start, workers=config.workers, **options)
    return contextlib.nullcontext(partial(pipeline.train_batch, split, alternate=alternates(config), **options))
