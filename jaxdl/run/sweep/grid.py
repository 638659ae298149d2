"""The members of a sweep: every combination of the values, and which of them differ in the seed alone."""

from collections.abc import Mapping
from functools import cached_property
from itertools import product

import numpy as np

Value = float | int


class Grid:
    """swept: the values of each flag that has several. seed: of all members, where seeds are not swept."""

    def __init__(self, swept: Mapping[str, tuple[Value, ...]], *, seed: int):
        self.swept = {name: tuple(values) for name, values in swept.items()}
        self._seeds = self.swept.get("seed", (seed,))

    def __len__(self) -> int:
        return len(self.configurations) * len(self._seeds)

    @property
    def names(self) -> tuple[str, ...]:
        """The flags in which configurations differ."""
        return tuple(name for name in self.swept if name != "seed")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of each configuration."""
        return self._seeds

    @cached_property
    def configurations(self) -> list[dict[str, Value]]:
        """Every combination but of seeds, as values by flag."""
        return [
            dict(zip(self.names, values, strict=True)) for values in product(*(self.swept[name] for name in self.names))
        ]

    @cached_property
    def members(self) -> list[dict[str, Value]]:
        """Every combination: the seeds of a configuration lie together."""
        return [{**configuration, "seed": seed} for configuration in self.configurations for seed in self._seeds]

    @cached_property
    def configuration_of(self) -> np.ndarray:
        """int[M]: the number of each member's configuration."""
        return np.repeat(np.arange(len(self.configurations)), len(self._seeds))

    def label(self, configuration: int) -> str:
        """``lr 0.01, weight decay 0.005``."""
        values = self.configurations[configuration]
        said = [f"{name.replace('_', ' ')} {value:g}" for name, value in values.items()]
        return ", ".join(said) or "all members"

    def to_json(self) -> dict:
        """Inverse of ``from_json``."""
        return {name: list(values) for name, values in self.swept.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, list[Value]], *, seed: int) -> "Grid":
        """The inverse of ``to_json``."""
        return cls({name: tuple(values) for name, values in stored.items()}, seed=seed)
