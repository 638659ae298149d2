"""Blocks of a network in the order of computation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxdl.variables import flat

Place = tuple[str, ...]  # of a module: its path in the network


def blocks(model: nn.Module, images: jax.Array) -> list[tuple[str, ...]]:
    """Names of the layers of each block with parameters, from the image to the classifier.

    A block is a module that the network itself calls, or that a part with most of the parameters does (``encoder`` of
    a vision transformer); one without a kernel, as a norm, belongs to the block before it. images: float[B, H, W, C]
    that the model takes; only their shape matters.
    """
    called: dict[Place, int] = {}

    def note(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        called.setdefault(context.module.path, len(called))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    leaves = {path[1:]: leaf for path, leaf in flat({"params": shapes["params"]}).items()}
    places = _parts((), leaves)
    order = {
        place: min(number for module, number in called.items() if module[: len(place)] == place) for place in places
    }
    found: list[list[str]] = []
    for place in sorted(places, key=order.get):
        has_kernel = any(leaf.ndim > 1 for path, leaf in leaves.items() if path[: len(place)] == place)
        if has_kernel or not found:
            found.append([])
        found[-1].append(".".join(place))
    return [tuple(names) for names in found]


def _parts(place: Place, leaves: dict[Place, jax.ShapeDtypeStruct]) -> list[Place]:
    """Modules directly below ``place``, one with most of all parameters taken apart into those below it."""
    below = {path[: len(place) + 1] for path in leaves if len(path) > len(place) + 1 and path[: len(place)] == place}
    total = sum(leaf.size for leaf in leaves.values())
    found = []
    for part in sorted(below):
        size = sum(leaf.size for path, leaf in leaves.items() if path[: len(part)] == part)
        found += (_parts(part, leaves) if 2 * size > total else []) or [part]
    return found
