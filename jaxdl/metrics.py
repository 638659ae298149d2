"""Sums and counts: metrics stay a pair (total, count) until they are reported."""

from collections.abc import Mapping

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Mean:
    """An average not yet divided, so that batches of any size add up exactly.

    total: float32[], the sum over the examples that count.
    count: float32[], how many they are.
    """

    total: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, values: jax.Array, mask: jax.Array) -> "Mean":
        """The mean of ``values: float32[B]`` over the rows where ``mask: bool[B]`` holds.

        Rows outside the mask are padding and may hold anything, NaN included.
        """
        values = jnp.where(mask, values, 0.0)
        return cls(values.sum(), mask.sum(dtype=jnp.float32))

    @property
    def value(self) -> jax.Array:
        """total / count; 0 where nothing was counted."""
        return self.total / jnp.maximum(self.count, 1.0)


def correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """1.0 where the largest logit is the label's, else 0.0.

    logits: float[B, classes]; labels: int32[B]; returns float32[B].
    """
    return (logits.argmax(-1) == labels).astype(jnp.float32)


class Totals(dict):
    """Means summed on the host in float64: ``{name: [total, count]}``, plain JSON."""

    def add(self, metrics: Mapping[str, Mean]) -> None:
        """Adds one step's metrics, already fetched from the device."""
        for name, mean in metrics.items():
            entry = self.setdefault(name, [0.0, 0.0])
            entry[0] += float(mean.total)
            entry[1] += float(mean.count)

    def means(self) -> dict[str, float]:
        """``{name: total / count}``."""
        return {name: total / max(count, 1.0) for name, (total, count) in self.items()}

    def count(self, name: str) -> int:
        """How many examples ``name`` has counted."""
        return int(self.get(name, (0.0, 0.0))[1])
