"""Sums and counts: metrics stay a pair (total, count) until they are reported."""

from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.variables import flat, layer_of


@flax.struct.dataclass
class Mean:
    """An average kept as total and count, so that batches of any size add up exactly.

    total: float32[], the sum over the examples that count; of a step's ``sums`` an array of any shape.
    count: float32[], the number of those examples.
    """

    total: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, values: jax.Array, mask: jax.Array, weights: jax.Array | None = None) -> "Mean":
        """The mean of ``values: float32[B, ...]`` over the rows where ``mask: bool[B]`` holds.

        An example with several values counts once, with their mean. With ``weights``, shaped as ``values``, the count
        is their sum instead: the mean of a weighted loss, whose values already carry their weights.
        Rows outside the mask are padding and may hold any value, even NaN.
        """
        if weights is None and values.ndim > 1:
            values = values.reshape(len(values), -1).mean(-1)
        counts = mask.astype(jnp.float32) if weights is None else weights
        mask = mask.reshape((-1,) + (1,) * (values.ndim - 1))
        return cls(jnp.where(mask, values, 0.0).sum(), jnp.where(mask, counts, 0.0).sum())

    @property
    def value(self) -> jax.Array:
        """total / count; 0 where nothing was counted. Of numpy's arrays it is one of numpy's."""
        numpy = jnp if isinstance(self.count, jax.Array) else np
        return self.total / numpy.where(self.count > 0, self.count, 1.0)

    def over(self, count: jax.Array) -> "Mean":
        """The same mean, as one over ``count`` examples."""
        return Mean(jnp.where(self.count == count, self.total, self.value * count), count)


def correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """1.0 where the largest logit is the label's, else 0.0.

    logits: float[B, classes]; labels: int32[B], or probabilities float32[B, classes], whose argmax is used.
    Returns float32[B].
    """
    if labels.ndim == logits.ndim:
        labels = labels.argmax(-1)
    return (logits.argmax(-1) == labels).astype(jnp.float32)


def norms_by_layer(tree: Any, *, depth: int | None = None) -> dict[str, jax.Array]:
    """The L2 norm of each layer's leaves together: ``{"stage1.conv": float32[]}``, by name.

    tree: gradients or params. A kernel and its bias are one layer; with ``depth``, layers that share the first
    ``depth`` parts of their names are one. If gradients vanish, the norms fall from layer to layer towards the input;
    if they explode, they rise.
    """
    squares: dict[str, jax.Array] = {}
    for path, leaf in flat({"params": tree}).items():
        layer = layer_of(path, depth=depth)
        squares[layer] = squares.get(layer, 0.0) + jnp.square(leaf.astype(jnp.float32)).sum()
    return {layer: jnp.sqrt(total) for layer, total in squares.items()}


def still_units_by_layer(gradients: Any, *, depth: int | None = None) -> dict[str, jax.Array]:
    """The fraction of each layer's units whose weights have zero gradient, by name as ``norms_by_layer``.

    A unit is an output feature of a kernel. With ReLU its gradient is zero if it is positive for no example of the
    batch; a unit that stays so is dead (Lu et al. 2019). Layers without a kernel are left out.
    """
    units: dict[str, list[jax.Array]] = {}
    for path, leaf in flat({"params": gradients}).items():
        if path[-1] == "kernel":
            still = (leaf == 0).all(tuple(range(leaf.ndim - 1)))
            units.setdefault(layer_of(path, depth=depth), []).append(still)
    return {layer: jnp.concatenate(still).mean(dtype=jnp.float32) for layer, still in units.items()}


def gradient_health(gradients: Any, *, depth: int | None = None) -> dict[str, jax.Array]:
    """Both of the above as ``grad_norm/<layer>`` and ``no_gradient/<layer>``, float32[] each."""
    norms, still = norms_by_layer(gradients, depth=depth), still_units_by_layer(gradients, depth=depth)
    return {f"grad_norm/{name}": value for name, value in norms.items()} | {
        f"no_gradient/{name}": value for name, value in still.items()
    }


class Totals(dict):
    """Means summed on the host in float64: ``{name: [total, count]}``, plain JSON; of many members, a list for each."""

    def add(self, metrics: Mapping[str, Mean]) -> None:
        """Adds one step's metrics, already fetched from the device: totals and counts float32[] or float32[M]."""
        for name, mean in metrics.items():
            entry = self.setdefault(name, [0.0, 0.0])
            for place, value in enumerate((mean.total, mean.count)):
                if np.ndim(value):
                    entry[place] = np.add(entry[place], value).tolist()
                else:
                    entry[place] += float(value)

    def means(self) -> dict[str, Any]:
        """``{name: total / count}``, a list where there are many members; 0 where nothing was counted."""
        return {name: _divided(total, count) for name, (total, count) in self.items()}

    def count(self, name: str) -> int:
        """Number of examples counted in ``name``."""
        return int(self.get(name, (0.0, 0.0))[1])


def _divided(total: Any, count: Any) -> Any:
    if isinstance(total, list):
        return [_divided(*of_member) for of_member in zip(total, count, strict=True)]
    return total / count if count else 0.0
