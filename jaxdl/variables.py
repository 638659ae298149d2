"""A model's variables by name: the leaves of ``{"params": ..., "batch_stats": ...}`` and the patterns that pick some.

A leaf's name is its path below the collection joined by dots, ``layer1.0.conv1.kernel``. A pattern is a glob over names
(``*`` crosses dots) and includes everything below: ``layer1`` is all of that stage. One that begins with ``!`` removes
from what the patterns before it picked: ``("*", "!fc")`` is all but the layer fc.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from flax import traverse_util

from jaxdl.errors import UserError, unknown

Path = tuple[str, ...]  # of a leaf, its collection first
Variables = Mapping[str, Any]


def flat(variables: Variables) -> dict[Path, Any]:
    """Every leaf by its path, in order."""
    return traverse_util.flatten_dict(dict(variables))


def unflat(leaves: Mapping[Path, Any]) -> dict[str, Any]:
    """The inverse of ``flat``."""
    return traverse_util.unflatten_dict(dict(leaves))


def layer_of(path: Path, *, depth: int | None = None) -> str:
    """The name of the layer that holds the leaf; with ``depth``, the first ``depth`` parts of it."""
    name = ".".join(path[1:-1])
    return name if depth is None else ".".join(name.split(".")[:depth])


def depth_of(variables: Variables, *, max_layers: int) -> int:
    """The depth at which ``layer_of`` distinguishes the most layers, but no more than ``max_layers``; at least 1."""
    paths = list(flat(variables))
    deepest = max(layer_of(path).count(".") + 1 for path in paths)
    fitting = (
        depth for depth in range(deepest, 1, -1) if len({layer_of(path, depth=depth) for path in paths}) <= max_layers
    )
    return next(fitting, 1)


def select(variables: Variables, patterns: Sequence[str]) -> set[Path]:
    """The leaves that ``patterns`` pick. Raises UserError for a pattern that no leaf's name matches."""
    if isinstance(patterns, str):
        raise UserError(f"patterns must be a sequence of them, got the text {patterns!r}.")
    names = {path: ".".join(path[1:]) for path in flat(variables)}
    picked: set[Path] = set()
    for pattern in patterns:
        glob = pattern.removeprefix("!")
        found = {path for path, name in names.items() if fnmatchcase(name, glob) or fnmatchcase(name, f"{glob}.*")}
        if not found:
            parts = [name.split(".") for name in names.values()]
            layers = {".".join(each[:end]) for each in parts for end in range(1, len(each) + 1)}
            raise unknown("pattern of variables", glob, layers, listed=False)
        picked = picked - found if pattern.startswith("!") else picked | found
    return picked


def split(variables: Variables, patterns: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits ``variables`` into the leaves that ``patterns`` do not pick and those they do; inverse of ``merge``."""
    picked = select(variables, patterns)
    leaves = flat(variables)
    kept = {path: leaf for path, leaf in leaves.items() if path not in picked}
    return unflat(kept), unflat({path: leaves[path] for path in leaves if path in picked})


def merge(first: Variables, second: Variables) -> dict[str, Any]:
    """The leaves of both; those of ``second`` where both have one."""
    return unflat(flat(first) | flat(second)) if second else dict(first)


def restrict(variables: Variables, paths: Iterable[Path]) -> dict[str, Any]:
    """The leaves at ``paths`` alone."""
    leaves = flat(variables)
    return unflat({path: leaves[path] for path in paths})
