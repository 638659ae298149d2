"""Conversion between PyTorch's arrays and a model's variables: names by a rule, layouts by the kind of layer.

A variable's path joined by dots, its last part translated, is PyTorch's name: ``layer1.0 / conv1 / kernel`` is
``layer1.0.conv1.weight``.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import numpy as np

from jaxdl.errors import UserError
from jaxdl.transfer.choice import Choice, Dicts, absent_layers, choose
from jaxdl.variables import flat, layer_of, select, unflat
from jaxdl.wording import shown

LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "slope": "weight", "mean": "running_mean",
          "var": "running_var"}  # fmt: skip
AUXILIARY = ("aux1", "aux2", "AuxLogits", "aux_classifier")  # classifiers that only training has, and files often lack
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
    may_lack: Collection[str] = (),
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
    may_lack: our names of layers that keep their values if the file has none of them, ``AUXILIARY`` say.
    only: patterns of the variables to fill, see ``jaxdl.variables``; the others are returned as they are, and arrays
    in the file for them, or for nothing in the model, are ignored. None for all.
    The arrays may lie under any prefix, and in wrappers such as DataParallel's: every variable must be filled and every
    array under the prefix used, except batch norm's counters. What lies beside it, a loss's weights say, is left out;
    ``located`` names it. Otherwise raises UserError, naming what is left on either side, or the shapes; and where the
    network is there more than once.
    """
    leaves = flat(variables)
    picked = set(leaves) if only is None else select(variables, only)
    named = {_name(path, names): path for path in leaves}
    how = {"names": names, "buffers": buffers, "may_lack": may_lack, "may_differ": may_differ, "only": only}
    placement = located({"": arrays}, variables, **how).placement
    given = {ours: arrays[theirs] for ours, theirs in {**placement.unused, **placement.names}.items()}
    computed = {name: given.pop(name) for name in buffers if name in given}
    wanted = {name: (path, leaves[path]) for name, path in named.items() if path in picked}
    absent = absent_layers(given, [names.get(layer, layer) for layer in may_lack])
    wanted = {name: leaf for name, leaf in wanted.items() if not name.startswith(absent)}
    layers = {name.rpartition(".")[0] for name in wanted}
    if only is not None:
        given = {name: array for name, array in given.items() if name in wanted}
    missing, unused = [name for name in wanted if name not in given], [name for name in given if name not in wanted]
    if missing or unused:
        if not given:
            raise UserError(f"the weights are none: the network needs {_some(missing)}, and they hold no array.")
        sides = [f"it needs {_some(missing)}, which they lack"] if missing else []
        sides += [f"they have {_some(unused)}, which it lacks"] if unused else []
        raise UserError(f"the weights are for another network: {'; and '.join(sides)}.")
    filled, differing, anew = {}, [], set()
    for name, (path, leaf) in wanted.items():
        array = np.asarray(given[name])
        if array.dtype.kind in "biuc" and np.issubdtype(leaf.dtype, np.floating):
            raise UserError(
                f"the weights are no floating-point numbers: {shown(name)} is of {array.dtype}. Of a quantised "
                "network, save the one that it was made of."
            )
        shape = _to_ours(array, path[-1], None).shape
        if shape == leaf.shape:  # else nothing is copied: a small file can have tensors beyond memory, expanded
            with np.errstate(over="ignore"):  # to infinity, which whoever uses it may refuse
                filled[path] = _to_ours(array, path[-1], flattened.get(layer_of(path))).astype(leaf.dtype)
        elif layer_of(path) in may_differ:
            anew.add(layer_of(path))
        else:
            differing.append(f"{name} is {shape} and should be {leaf.shape}")
    filled = {path: leaf if layer_of(path) in anew else filled.get(path, leaf) for path, leaf in leaves.items()}
    if differing:
        raise UserError(f"the weights have other shapes than the network, channels last: {_some(differing)}.")
    for name, array in computed.items():
        if name.rpartition(".")[0] in layers:
            _check_computed(name, np.asarray(array), buffers[name])
    return unflat(filled)


def located(
    dicts: Dicts,
    variables: Mapping[str, Any],
    *,
    names: Mapping[str, str] = MappingProxyType({}),
    buffers: Mapping[str, np.ndarray] = NO_BUFFERS,
    may_lack: Collection[str] = (),
    may_differ: Collection[str] = (),
    only: Sequence[str] | None = None,
) -> Choice:
    """Where in a file's state dicts the arrays of ``variables`` lie, and what lies beside them.

    dicts: arrays, or what else has a shape, by PyTorch's names, by the keys of a state dict; see ``weights.Contents``.
    The others are as in ``from_pytorch``. Raises UserError where the network is there more than once.
    """
    leaves = flat(variables)
    named = {_name(path, names): path for path in leaves}
    picked = set(leaves) if only is None else select(variables, only)
    return choose(
        dicts,
        shapes(variables, names=names) | {name: array.shape for name, array in buffers.items()},
        spare=buffers,
        needed=None if only is None else [name for name, path in named.items() if path in picked],
        optional=[names.get(layer, layer) for layer in may_lack],
        free={names.get(layer, layer) for layer in may_differ},
    )


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


def shapes(
    variables: Mapping[str, Any], *, names: Mapping[str, str] = MappingProxyType({})
) -> dict[str, tuple[int, ...]]:
    """The shapes of ``to_pytorch``'s arrays by their names; the variables' shapes are enough."""
    return {_name(path, names): _their_shape(leaf.shape, path[-1]) for path, leaf in flat(variables).items()}


def layout(model: nn.Module) -> dict[str, Mapping]:
    """Arguments ``flattened``, ``names`` and ``buffers`` of the two functions above for this model.

    Taken from its attributes ``flattened``, ``pytorch_names`` and ``pytorch_buffers``; most models have none.
    """
    return {
        "flattened": getattr(model, "flattened", {}),
        "names": getattr(model, "pytorch_names", {}),
        "buffers": getattr(model, "pytorch_buffers", {}),
    }


def is_auxiliary(layer: str) -> bool:
    """Whether the layer is one of ``AUXILIARY`` or in one."""
    return layer.partition(".")[0] in AUXILIARY


def _name(path: tuple[str, ...], names: Mapping[str, str]) -> str:
    layer = names.get(layer_of(path), layer_of(path))
    leaf = LEAVES.get(path[-1], path[-1])
    return f"{layer}.{leaf}" if layer else leaf


def _their_shape(ours: tuple[int, ...], leaf: str) -> tuple[int, ...]:
    if leaf != "kernel":
        return ours
    return (ours[-1], ours[-2], *ours[:-2]) if len(ours) > 2 else ours[::-1]


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
