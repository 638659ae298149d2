"""A whole network saved in one folder, from which it is rebuilt: its name, arguments, edits and weights.

``model.json`` says how to build it; ``weights.safetensors`` holds its variables under PyTorch's names and in PyTorch's
layouts, so that the same file loads into the same network there. Neither can hold code.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import disk, models
from jaxdl import nn as layers
from jaxdl.errors import UserError, unknown
from jaxdl.transfer import safetensors
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from jaxdl.transfer.edited import PLACES, Edit, Edited, Layer
from jaxdl.wording import brief

VERSION = 1
DESCRIPTION, WEIGHTS = "model.json", "weights.safetensors"
MOST_DESCRIPTION = 10_000_000  # bytes
MOST_VALUES = 5000  # numbers, texts and lists of the arguments and edits; a network of rows of numbers has 200
MOST_CALLS = 5000  # of layers, one in another counted too: 2 ms each. efficientnet_v2_l makes 1,200
MODULES = {
    **{kind.__name__: kind for kind in (layers.BatchNorm, layers.Conv, layers.Dense)},
    **{kind.__name__: kind for kind in (layers.DepthwiseSeparableConv, layers.PReLU)},
    **{f"nn.{kind.__name__}": kind for kind in (nn.BatchNorm, nn.Dropout, nn.GroupNorm, nn.LayerNorm)},
}
FUNCTIONS = {
    **{
        name: getattr(nn, name) for name in ("elu", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "relu", "relu6")
    },
    **{name: getattr(nn, name) for name in ("sigmoid", "silu", "softmax", "softplus", "tanh")},
    **{name: getattr(layers, name) for name in ("flatten", "global_average_pool")},
}


class SavedModel(NamedTuple):
    """A network and its variables, as ``init`` would give them; the image's (H, W, C); the caller's own notes."""

    model: nn.Module
    variables: dict[str, Any]
    image: tuple[int, int, int]
    about: dict[str, Any]


def save_model(
    folder: str | Path,
    model: nn.Module,
    variables: Mapping[str, Any],
    *,
    image: tuple[int, int, int],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes the folder, which must not exist yet; it appears whole or not at all.

    model: one that ``models.create`` makes, also if changed by ``transfer``'s functions, so long as the layers put in
    are of those in ``MODULES`` and ``FUNCTIONS``. image: (H, W, C) of what it takes. about: any JSON: classes, say.
    Raises UserError for a model or a layer that could not be rebuilt, for more description than ``load_model`` reads,
    and for a folder that exists or cannot be made.
    """
    folder = Path(folder)
    name, fields = models.describe(model.model if isinstance(model, Edited) else model)
    description = {
        "version": VERSION,
        "model": name,
        "arguments": {field: _stored(value, f"{name}'s {field}") for field, value in fields.items()},
        "edits": [_stored_edit(edit) for edit in model.edits] if isinstance(model, Edited) else [],
        "image": list(image),
        "about": dict(about or {}),
    }
    text = json.dumps(description, indent=2) + "\n"
    if len(text) > MOST_DESCRIPTION or _values(description["arguments"], description["edits"]) > MOST_VALUES:
        raise UserError(f"{folder} would hold more than a description of a network may; shorten about, or the edits.")
    if folder.exists():
        raise UserError(f"{folder} exists; nothing is overwritten. Name another folder.")
    try:
        with disk.folder(folder) as draft:
            (draft / DESCRIPTION).write_text(text)
            safetensors.write(draft / WEIGHTS, to_pytorch(variables, **layout(model)))
    except OSError as error:
        raise UserError(f"cannot write {folder} ({error.strerror}).") from error


def load_model(folder: str | Path, *, device: jax.Device | None = None) -> SavedModel:
    """Loads what ``save_model`` wrote, with its variables on ``device`` (JAX's default if None).

    Raises UserError if the folder is not one that it wrote, or is damaged.
    """
    folder = Path(folder)
    read = description(folder)
    weights = safetensors.read(folder / WEIGHTS)
    try:
        if _values(read["arguments"], read["edits"]) > MOST_VALUES:
            raise UserError(f"its arguments and edits have more than {MOST_VALUES:,} values.")
        fields = {field: _restored(value) for field, value in read["arguments"].items()}
        edits = tuple(_restored_edit(edit) for edit in read["edits"])
        image = tuple(int(size) for size in read["image"])
        model = models.create(read["model"], **fields)
        model = Edited(model, edits) if edits else model
        shapes = _shapes(model, image, most=min(MOST_CALLS, 200 + 4 * len(weights)))
    except UserError as error:
        raise UserError(f"{folder / DESCRIPTION} describes no network of this version: {error}") from error
    except Exception as error:  # whatever a description that was tampered with makes of a module
        raise UserError(f"{folder / DESCRIPTION} describes no network of this version ({brief(error)}).") from error
    arrays = from_pytorch(weights, shapes, **layout(model))
    variables = jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf), device), arrays)
    return SavedModel(model, variables, image, read.get("about", {}))


def folder_of(path: Path) -> Path | None:
    """The folder of a saved network that ``path`` is, or whose weights it is; None if it is neither."""
    folder = path.parent if path.name == WEIGHTS else path
    return folder if (folder / DESCRIPTION).is_file() else None


def description(folder: str | Path) -> dict[str, Any]:
    """Contents of ``model.json`` in the folder: ``model``, ``arguments``, ``edits``, ``image`` and ``about``.

    Raises UserError if there is none, or it is of another version.
    """
    path = Path(folder, DESCRIPTION)
    try:
        if path.stat().st_size > MOST_DESCRIPTION:
            raise UserError(f"{path} is larger than any description of a network.")
        read = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path.parent} holds no {path.name}: it is not a folder of a saved network.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {path} ({error}).") from error
    if not isinstance(read, dict) or read.get("version") != VERSION:
        raise UserError(f"{path} is of no version that is known here ({VERSION}).")
    return read


def _shapes(model: nn.Module, image: tuple[int, ...], most: int) -> Any:
    """Shapes that ``init`` would return; raises UserError if the model calls more than ``most`` layers."""
    calls = 0

    def counted(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        nonlocal calls
        calls += 1
        if calls > most:
            raise UserError(f"it has more than {most:,} layers, which its weights are not enough for.")
        return call(*args, **kwargs)

    with nn.intercept_methods(counted):
        x = jax.ShapeDtypeStruct((1, *image), jnp.float32)
        return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), x)


def _values(*described: Any) -> int:
    """How many values a part of a description has, containers counted too."""
    inside = [list(value.values()) if isinstance(value, dict) else value for value in described]
    return len(described) + sum(_values(*value) for value in inside if isinstance(value, list | tuple))


def _stored(value: Any, what: str) -> Any:
    """``value`` as JSON; raises UserError where there is none that ``_restored`` makes the same of."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_stored(item, what) for item in value]
    try:
        return {"dtype": jnp.dtype(value).name}
    except TypeError:
        raise UserError(f"{what} cannot be saved: {value!r} is neither a number, a text nor a dtype.") from None


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_restored(item) for item in value)
    return jnp.dtype(value["dtype"]) if isinstance(value, dict) else value


def _stored_edit(edit: Edit) -> dict[str, Any]:
    layers = [_stored_layer(layer) for layer in edit.layers]
    return {"place": edit.place, "at": edit.at, "name": edit.name, "layers": layers}


def _stored_layer(layer: Layer) -> dict[str, Any]:
    for name, kind in MODULES.items():
        if type(layer) is kind:
            # how it was initialised no longer matters
            fields = [field for field in dataclasses.fields(kind) if not field.name.endswith("_init")]
            values = {
                field.name: getattr(layer, field.name) for field in fields if field.name not in ("parent", "name")
            }
            usual = {field.name: field.default for field in fields}
            given = {key: _stored(value, f"{name}'s {key}") for key, value in values.items() if value is not usual[key]}
            return {"module": name, "fields": given}
    for name, function in FUNCTIONS.items():
        if layer is function:
            return {"function": name}
    raise UserError(
        f"the layer {getattr(layer, '__name__', type(layer).__name__)} cannot be saved: only "
        f"{', '.join(sorted({**MODULES, **FUNCTIONS}))} can be rebuilt without its code."
    )


def _restored_edit(stored: Mapping[str, Any]) -> Edit:
    if stored["place"] not in PLACES:
        raise unknown("place", stored["place"], PLACES)
    layers = []
    for layer in stored["layers"]:
        known, kind = (FUNCTIONS, "function") if "function" in layer else (MODULES, "module")
        if layer[kind] not in known:
            raise unknown(kind, layer[kind], known)
        found = known[layer[kind]]
        fields = {field: _restored(value) for field, value in layer.get("fields", {}).items()}
        layers.append(found if kind == "function" else found(**fields))
    return Edit(stored["place"], stored["at"], stored["name"], tuple(layers))
