"""Dataset -> batches. A batch is a function of (seed, step), so that nothing about the data needs to be saved."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from jaxdl.data.dataset import Split
from jaxdl.errors import UserError

HostBatch = dict[str, np.ndarray]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Full batches in one pass; the remainder waits for the next epoch's order, as with PyTorch's ``drop_last``."""
    if not 0 < batch_size <= examples:
        raise UserError(f"batch_size must be between 1 and the {examples} training examples, got {batch_size}.")
    return examples // batch_size


def train_batch(
    split: Split,
    step: int,
    *,
    batch_size: int,
    seed: int,
    rows: slice | None = None,
    padded_size: int | None = None,
    alternate: bool = False,
) -> HostBatch:
    """Batch number ``step`` (from 0) of an endless run over ``split``, in a new order each epoch.

    Returns ``images: uint8[B, H, W, C]`` and ``labels: int32[B]``, or masks uint8[B, H, W]; of objects also ``sizes``,
    ``boxes`` and, where there are any, ``masks``, see ``detection.padded``. With a ``padded_size`` above
    ``batch_size``, B is that, the rows beyond ``batch_size`` are zeros, and ``mask: bool[B]`` is False for them.

    rows: the part of these rows to gather, such as one process's share; all of them if None.
    alternate: adds ``mirrored: bool[B]``, True for the images that this epoch shows mirrored: about half, drawn once
    from the seed, in every other epoch, and the other half in the epochs between.
    """
    padded_size = padded_size or batch_size
    if padded_size < batch_size:
        raise ValueError(f"padded_size must be at least the batch_size of {batch_size}, got {padded_size}.")
    first, last = _bounds(rows, padded_size)
    chosen, mirrored = _chosen(split, step, batch_size, seed)
    chosen, mirrored = chosen[first:last], mirrored[first:last]
    batch = _gather(split, chosen, last - first)
    if alternate:
        batch["mirrored"] = np.pad(mirrored, (0, last - first - len(chosen)))
    if padded_size == batch_size:
        del batch["mask"]
    return batch


def train_feed(
    split: Split, step: int, *, steps: int, batch_size: int, seed: int, alternate: bool = False
) -> dict[str, np.ndarray]:
    """``steps`` batches of ``train_batch`` from ``step`` on, without their images: ``rows: int32[steps, B]``, the
    numbers of their examples, and ``mirrored: bool[steps, B]`` with ``alternate``."""
    batches = [_chosen(split, number, batch_size, seed) for number in range(step, step + steps)]
    feed = {"rows": np.stack([chosen for chosen, _ in batches]).astype(np.int32)}
    if alternate:
        feed["mirrored"] = np.stack([mirrored for _, mirrored in batches])
    return feed


def eval_batches(split: Split, *, batch_size: int, rows: slice | None = None) -> Iterator[HostBatch]:
    """Batches of every example once, in order. The last is padded with zeros, where ``mask: bool[B]`` is False.

    rows: the part of each batch to gather, such as one process's share; all of it if None.
    """
    for index in range(eval_steps(len(split), batch_size)):
        yield eval_batch(split, index, batch_size=batch_size, rows=rows)


def eval_steps(examples: int, batch_size: int) -> int:
    """Number of batches of ``eval_batches``."""
    return -(-examples // batch_size)


def eval_batch(split: Split, index: int, *, batch_size: int, rows: slice | None = None) -> HostBatch:
    """Batch number ``index`` (from 0) of ``eval_batches``."""
    first, last = _bounds(rows, batch_size)
    start = index * batch_size
    return _gather(split, slice(start + first, start + last), last - first)


def _chosen(split: Split, step: int, batch_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a batch's examples, and which of them this epoch shows mirrored where epochs alternate."""
    epoch, index = divmod(step, steps_per_epoch(len(split), batch_size))
    chosen = _order(len(split), seed, epoch)[index * batch_size : (index + 1) * batch_size]
    return chosen, _mirrored_at_first(len(split), seed)[chosen] ^ bool(epoch % 2)


def _bounds(rows: slice | None, size: int) -> tuple[int, int]:
    first, last, stride = (rows or slice(None)).indices(size)
    if stride != 1:
        raise ValueError(f"rows must be a slice without a stride, got {rows}.")
    return first, max(first, last)


def _gather(split: Split, chosen: slice | np.ndarray, size: int) -> HostBatch:
    """Those examples, filled up to ``size`` with zeros; of objects their arrays and the pictures' sizes."""
    images, labels = split.images[chosen], split.labels[chosen]
    batch = (
        {"images": images, **labels, "sizes": split.sizes[chosen]}
        if isinstance(labels, dict)
        else {
            "images": images,
            "labels": labels,
        }
    )
    filled = np.arange(size) < len(images)
    if missing := size - len(images):
        batch = {name: np.pad(each, ((0, missing), *[(0, 0)] * (each.ndim - 1))) for name, each in batch.items()}
    return {**batch, "mask": filled}


@lru_cache(maxsize=2)
def _order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(examples)


@lru_cache(maxsize=2)
def _mirrored_at_first(examples: int, seed: int) -> np.ndarray:
    return np.random.default_rng((seed, 0, 1)).random(examples) < 0.5  # no epoch's stream: those have two numbers
