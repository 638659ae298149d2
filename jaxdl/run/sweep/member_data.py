"""The examples on the device, once, and which of them each member sees when."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data import pipeline
from jaxdl.data.dataset import Dataset, Split, channel_statistics, train_val_split
from jaxdl.run.augmentation import alternates
from jaxdl.run.channels import DATA, channels_of
from jaxdl.run.config import Config
from jaxdl.run.sweep.grid import Grid
from jaxdl.train.resident import ROWS

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class SeedData(NamedTuple):
    """Training and validation rows of one seed, as row numbers of the training split.

    train: its images are row numbers, int32[n]. val: int32[v], None without validation. mean, std: of the channels.
    """

    train: Split
    val: np.ndarray | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


class SweepData:
    """The data of all members; ``device`` is what the steps take as ``data``."""

    def __init__(self, dataset: Dataset, grid: Grid, config: Config):
        self.by_seed = _by_seed(dataset, grid.seeds, config)
        self.device = on_device(dataset.train)
        self._grid, self._config = grid, config

    @property
    def examples(self) -> int:
        """Of the part that one member trains on."""
        return len(self.by_seed[self._grid.seeds[0]].train)

    @property
    def val_examples(self) -> int:
        """That one member validates on."""
        first = self.by_seed[self._grid.seeds[0]].val
        return 0 if first is None else len(first)

    @property
    def statistics(self) -> Statistics | None:
        """(mean, std) of the channels where they are the same for all members."""
        found = {(each.mean, each.std) for each in self.by_seed.values()}
        return found.pop() if len(found) == 1 else None

    def feed(self, step: int, *, steps: int) -> dict[str, np.ndarray]:
        """The batches of so many steps from ``step``, as ``make_members_step`` takes them.

        Each is the one of a run of that seed alone.
        """
        options = {"batch_size": self._config.batch_size, "alternate": alternates(self._config)}
        fed = []
        for seed, data in self.by_seed.items():
            own = pipeline.train_feed(data.train, step, steps=steps, seed=seed, **options)
            fed.append({**own, ROWS: data.train.images[own[ROWS]]})
        return {name: np.stack([each[name] for each in fed])[self._seed_index] for name in fed[0]}

    def val_batch(self, index: int, *, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """(rows: int32[M, B], mask: bool[B]) of batch ``index`` of each member's validation."""
        per_seed = [each.val[index * batch_size : (index + 1) * batch_size] for each in self.by_seed.values()]
        mask = np.arange(batch_size) < len(per_seed[0])
        return np.stack([_filled(rows, batch_size) for rows in per_seed])[self._seed_index], mask

    @property
    def _seed_index(self) -> np.ndarray:
        return np.tile(np.arange(len(self._grid.seeds)), len(self._grid.configurations))


def on_device(split: Split) -> dict[str, jax.Array]:
    """Images and labels as arrays there."""
    return {"images": jnp.asarray(split.images), "labels": jnp.asarray(split.labels)}


def test_batch(index: int, *, examples: int, members: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows: int32[M, B], mask: bool[B]) of batch ``index`` of the test split, the same for all."""
    rows = np.arange(index * batch_size, min((index + 1) * batch_size, examples), dtype=np.int32)
    mask = np.arange(batch_size) < len(rows)
    return np.broadcast_to(_filled(rows, batch_size), (members, batch_size)), mask


def member_numbers(grid: Grid, data: SweepData) -> dict[str, jax.Array]:
    """Traced numbers, float[M] by flag; ``mean`` and ``std``, float[M, C], where members differ in them."""
    numbers = {name: jnp.asarray([member[name] for member in grid.members], float) for name in grid.names}
    if data.statistics is None:
        own = [data.by_seed[member["seed"]] for member in grid.members]
        numbers |= {name: jnp.asarray([getattr(each, name) for each in own], jnp.float32) for name in ("mean", "std")}
    return numbers


def _by_seed(dataset: Dataset, seeds: tuple[int, ...], config: Config) -> Mapping[int, SeedData]:
    split = dataset.train
    numbered = Split(np.arange(len(split), dtype=np.int32), split.labels)
    found, statistics = {}, None
    for seed in seeds:
        train, val = train_val_split(numbered, val_size=config.val_size, seed=seed, classes=dataset.classes)
        if (fixed := channels_of(config.normalize or DATA)) is not None:
            statistics = fixed
        elif statistics is None or val is not None:
            statistics = channel_statistics(split.images[train.images], progress=True)
        found[seed] = SeedData(train, None if val is None else val.images, *statistics)
    return found


def _filled(values: np.ndarray, size: int) -> np.ndarray:
    """With zeros behind, up to so many."""
    return np.pad(values, [(0, size - len(values)), *[(0, 0)] * (values.ndim - 1)])
