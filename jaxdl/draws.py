"""Random initial values: the initialisers that draw them, and all draws of a network by one small program.

XLA compiles ``jax.random.normal`` anew for every parameter, which takes longer than a training step. The generator is a
function of a key and a counter, though: with a key for each number, one program of a fixed size draws for any network,
and its numbers are those that ``jax.random`` draws parameter by parameter; normal ones to some 4e-7 of their size, as
JAX 0.12 rounds otherwise than JAX 0.10.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p
from jax.typing import DTypeLike

AT_ONCE = 2**18  # numbers that a call of the program draws
SAMPLERS = {
    "normal": jax.random.normal,
    "truncated_normal": lambda key, shape, dtype: jax.random.truncated_normal(key, -2, 2, shape, dtype),
    "uniform": partial(jax.random.uniform, minval=-1.0),
}
_WITHIN_2 = math.erf(math.sqrt(2))  # share of the normal distribution


class Noted(NamedTuple):
    """A draw that was asked for while ``noting``: its key, and the array that stands for its values."""

    draw: "Draw"
    key: jax.Array
    stand_in: jax.Array


_notes: ContextVar[list[Noted] | None] = ContextVar("notes", default=None)


@dataclass(frozen=True)
class Draw:
    """A Flax initialiser, ``init(key, shape, dtype)``, of independent numbers times ``scale``.

    distribution: "normal", of mean 0 and variance 1; "truncated_normal", the same without what is beyond +-2; or
    "uniform" in [-1, 1).
    scale: a number, or shape -> number.
    finish: (values, numpy) -> values, changed; numpy: the module to use, numpy itself or jax.numpy.
    """

    distribution: str
    scale: float | Callable[[Sequence[int]], float]
    finish: Callable[[Any, ModuleType], Any] | None = None

    def __call__(self, key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32, **_: Any) -> jax.Array:
        notes = _notes.get()
        if notes is not None and dtype == jnp.float32:
            notes.append(Noted(self, key, jnp.zeros(shape, dtype)))
            return notes[-1].stand_in
        return self.made_of(SAMPLERS[self.distribution](key, shape, dtype), jnp)

    def made_of(self, numbers: Any, numpy: ModuleType = np) -> Any:
        """The values that ``numbers`` of the distribution become."""
        scale = self.scale(numbers.shape) if callable(self.scale) else self.scale
        values = numbers * numpy.asarray(scale, numbers.dtype)
        return values if self.finish is None else self.finish(values, numpy)


@contextlib.contextmanager
def noting() -> Iterator[list[Noted]]:
    """A context in which each ``Draw`` notes that it was called, in place of drawing: its values are zeros."""
    notes: list[Noted] = []
    before = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(before)


def known(key: jax.Array) -> bool:
    """Whether ``draw`` can draw what ``jax.random`` draws of such a key."""
    return bool(jax.config.jax_threefry_partitionable) and str(jax.random.key_impl(key)) == "threefry2x32"


def draw(distribution: str, keys: Sequence[Any], shapes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """float32 of each of ``shapes``, of that distribution: what ``jax.random`` draws of each of
    ``keys``, uint32[2]."""
    keys = np.array(keys)
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    begins, total = np.concatenate([[0], ends[:-1]]), int(ends[-1])
    numbers = np.empty(-(-total // AT_ONCE) * AT_ONCE, np.float32)
    for start in range(0, total, AT_ONCE):
        places = np.arange(start, start + AT_ONCE)
        owners = np.minimum(np.searchsorted(ends, places, "right"), len(shapes) - 1)
        numbers[start : start + AT_ONCE] = _numbers(
            *keys[owners].T, (places - begins[owners]).astype(np.uint32), distribution=distribution
        )
    return [numbers[begin:end].reshape(shape) for begin, end, shape in zip(begins, ends, shapes, strict=True)]


@partial(jax.jit, static_argnames="distribution")
def _numbers(first: jax.Array, second: jax.Array, counts: jax.Array, *, distribution: str) -> jax.Array:
    """The number at ``counts`` of the draw of each key, whose halves are ``first`` and ``second``; all uint32[N]."""
    high, low = threefry2x32_p.bind(first, second, jnp.zeros_like(counts), counts)
    from_1_to_2 = jax.lax.bitcast_convert_type(((high ^ low) >> 9) | jnp.uint32(0x3F800000), jnp.float32)
    below_1 = np.nextafter(np.float32(1), np.float32(0))
    least, most = {"normal": (-below_1, 1), "truncated_normal": (-_WITHIN_2, _WITHIN_2), "uniform": (-1, 1)}[
        distribution
    ]
    least, most = np.float32(least), np.float32(most)
    uniform = jnp.maximum(least, (from_1_to_2 - 1) * (most - least) + least)
    if distribution == "uniform":
        return uniform
    normal = np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniform)
    if distribution == "normal":
        return normal
    inside_2 = np.nextafter(np.float32(2), np.float32(0))
    return jnp.clip(normal, -inside_2, inside_2)
