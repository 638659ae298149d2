"""Dataset -> batches. A batch is a function of (seed, step), so that nothing about the data needs to be saved."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from jaxdl.data.dataset import Split
from jaxdl.errors import UserError

Batch = dict[str, np.ndarray]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Full batches in one pass; the remainder waits for the next epoch's order, as with PyTorch's ``drop_last``."""
    if not 0 < batch_size <= examples:
        raise UserError(f"batch_size must be between 1 and the {examples} training examples, got {batch_size}.")
    return examples // batch_size


def train_batch(split: Split, step: int, *, batch_size: int, seed: int) -> Batch:
    """Batch number ``step`` (from 0) of an endless run over ``split``, in a new order each epoch.

    Returns ``images: uint8[B, H, W, C]`` and ``labels: int32[B]``.
    """
    epoch, index = divmod(step, steps_per_epoch(len(split), batch_size))
    rows = _order(len(split), seed, epoch)[index * batch_size : (index + 1) * batch_size]
    return {"images": split.images[rows], "labels": split.labels[rows]}


def eval_batches(split: Split, *, batch_size: int) -> Iterator[Batch]:
    """Every example once, in order. The last batch is filled up with zeros, which ``mask: bool[B]`` marks False."""
    for start in range(0, len(split), batch_size):
        images = split.images[start : start + batch_size]
        labels = split.labels[start : start + batch_size]
        filled = np.arange(batch_size) < len(labels)
        missing = batch_size - len(labels)
        if missing:
            images = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)))
            labels = np.pad(labels, (0, missing))
        yield {"images": images, "labels": labels, "mask": filled}


@lru_cache(maxsize=2)
def _order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(examples)
