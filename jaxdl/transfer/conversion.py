"""Conversion between PyTorch's arrays and a model's variables: names by a rule, layouts by the kind of layer.

A variable's path joined by dots, its last part translated, is PyTorch's name: ``layer1.0 / conv1 / kernel`` is
``layer1.0.conv1.weight``.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import numpy as np

from jaxdl.errors import UserError
from jaxdl.variables import flat, layer_of, select, unflat
from jaxdl.wording import shown

LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "slope": "weight", "mean": "running_mean",
          "var": "running_var"}  # fmt: skip
COUNTER = "num_batches_tracked"  # PyTorch's batch norm keeps one, and needs it only for a cumulative average
OLDER_NAME = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)")  # torchvision's DenseNet files still have it
SHOWN = 5
COMPUTED_ALIKE = 1e-2  # numbers of a buffer and those computed: a file may hold them in bfloat16

Flattened = Mapping[str, tuple[int, int, int]]
NO_BUFFERS: Mapping[str, np.ndarray] = MappingProxyType({})


def from_pytorch(
    arrays: Mapping[str, np.ndarray],
    variables: Mapping[str, Any],
    *,
    flattened: Flattened = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    buffers: Mapping[str, np.ndarray] = NO_BUFFERS,
    may_differ: Collection[str] = (),
    only: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Converts the ``arrays`` of a ``state_dict`` to the tree, layouts and dtypes of ``variables``.

    variables: a model's, as ``init`` gives them; shapes and dtypes are enough (``jax.eval_shape``).
    flattened: for a linear layer behind a flattened image, by our name, that image's (H, W, C): its rows are reordered
    from PyTorch's [C, H, W].
    names: PyTorch's names of layers, by our names, where they differ.
    buffers: arrays that PyTorch keeps beside a layer's parameters and the model computes, by their names; a file may
    lack them, and must not have others.
    may_differ: our names of layers that keep their values in ``variables`` if the file has other shapes, such as a
    classifier for other classes.
    only: patterns of the variables to fill, see ``jaxdl.variables``; the others are returned as they are, and arrays
    in the file for them, or for nothing in the model, are ignored. None for all.
    Every array must be used and every variable filled, except batch norm's counters; a prefix common to all names is
    removed if they fit without it. Otherwise raises UserError, naming what is left on either side, or the shapes.
    """
    leaves = flat(variables)
    picked = set(leaves) if only is None else select(variables, only)
    named = {_name(path, names): path for path in leaves}
    given = {name: array for name, array in arrays.items() if not name.endswith(COUNTER)}
    given = _without_prefix(given, set(named), set(buffers))
    given = {_newer(name, named): array for name, array in given.items()}
    wanted = {name: (path, leaves[path]) for name, path in named.items() if path in picked}
    layers = {name.rpartition(".")[0] for name in wanted}
    computed = {name: given.pop(name) for name in buffers if name in given}
    if only is not None:
        given = {name: array for name, array in given.items() if name in wanted}
    missing, unused = [name for name in wanted if name not in given], [name for name in given if name not in wanted]
    if missing or unused:
        if not given:
            raise UserError(f"the weights are none: the network needs {_some(missing)}, and they hold no array.")
        raise UserError(
            f"the weights are for another network: it needs {_some(missing)}, which they lack; and they have "
            f"{_some(unused)}, which it lacks."
        )
    filled, differing = {}, []
    for name, (path, leaf) in wanted.items():
        array = np.asarray(given[name])
        shape = _to_ours(array, path[-1], None).shape
        if shape == leaf.shape:  # else nothing is copied: a small file can have tensors beyond memory, expanded
            filled[path] = _to_ours(array, path[-1], flattened.get(layer_of(path))).astype(leaf.dtype)
        elif layer_of(path) in may_differ:
            filled[path] = leaf
        else:
            differing.append(f"{name} is {shape} and should be {leaf.shape}")
    filled = {path: filled.get(path, leaf) for path, leaf in leaves.items()}
    if differing:
        raise UserError(f"the weights have other shapes than the network, channels last: {_some(differing)}.")
    for name, array in computed.items():
        if name.rpartition(".")[0] in layers:
            _check_computed(name, np.asarray(array), buffers[name])
    return unflat(filled)


def to_pytorch(
    variables: Mapping[str, Any],
    *,
    flattened: Flattened = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    buffers: Mapping[str, np.ndarray] = NO_BUFFERS,
) -> dict[str, np.ndarray]:
    """The inverse of ``from_pytorch``: a ``state_dict`` of arrays, with the ``buffers`` of layers that have variables,
    without batch norm's counters."""
    arrays = {
        _name(path, names): _to_theirs(np.asarray(leaf), path[-1], flattened.get(layer_of(path)))
        for path, leaf in flat(variables).items()
    }
    layers = {name.rpartition(".")[0] for name in arrays}
    return arrays | {name: array for name, array in buffers.items() if name.rpartition(".")[0] in layers}


def layout(model: nn.Module) -> dict[str, Mapping]:
    """Arguments ``flattened``, ``names`` and ``buffers`` of the two functions above for this model.

    Taken from its attributes ``flattened``, ``pytorch_names`` and ``pytorch_buffers``; most models have none.
    """
    return {
        "flattened": getattr(model, "flattened", {}),
        "names": getattr(model, "pytorch_names", {}),
        "buffers": getattr(model, "pytorch_buffers", {}),
    }


def _name(path: tuple[str, ...], names: Mapping[str, str]) -> str:
    layer = names.get(layer_of(path), layer_of(path))
    leaf = LEAVES.get(path[-1], path[-1])
    return f"{layer}.{leaf}" if layer else leaf


def _without_prefix(given: dict[str, np.ndarray], wanted: set[str], buffers: set[str]) -> dict[str, np.ndarray]:
    first = {name.partition(".")[0] for name in given}
    if len(first) != 1:
        return given
    shorter = {name.partition(".")[2]: array for name, array in given.items()}
    return shorter if wanted == set(shorter) - buffers else given


def _newer(name: str, wanted: Collection[str]) -> str:
    newer = OLDER_NAME.sub(r"\1\2", name)
    return newer if newer in wanted else name


def _check_computed(name: str, array: np.ndarray, expected: np.ndarray) -> None:
    said = f"the weights are for other windows or positions than the network: {name}, which it computes,"
    if array.shape != expected.shape:
        raise UserError(f"{said} is {array.shape} and should be {expected.shape}.")
    if not np.allclose(array.astype(np.float64), expected, rtol=COMPUTED_ALIKE, atol=COMPUTED_ALIKE):
        raise UserError(f"{said} has other values.")


def _to_ours(array: np.ndarray, leaf: str, image: tuple[int, int, int] | None) -> np.ndarray:
    if leaf != "kernel":
        return array
    if array.ndim > 2:
        return np.moveaxis(array, (0, 1), (-1, -2))
    if image is not None:
        height, width, channels = image
        array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(array), -1)
    return array.T


def _to_theirs(array: np.ndarray, leaf: str, image: tuple[int, int, int] | None) -> np.ndarray:
    if leaf != "kernel":
        return array
    if array.ndim > 2:
        return np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1)))
    array = array.T
    if image is not None:
        array = array.reshape(-1, *image).transpose(0, 3, 1, 2).reshape(len(array), -1)
    return np.ascontiguousarray(array)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(shown(name, 160) for name in names[:SHOWN]) + more if names else "nothing"
