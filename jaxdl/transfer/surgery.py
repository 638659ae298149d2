"""Edits of a network: functions of a model and its variables that return another model and its variables.

Nothing is changed in place; arrays of unchanged layers are the same objects. Layers are named by their paths joined by
dots, as in PyTorch: ``fc``, ``layer4.1.bn2``, ``classifier.6``. ``images`` are float[B, H, W, C] as the model takes
them (only their shape matters, except for layers initialised from data) and ``key`` initialises new variables.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxdl.errors import UserError, unknown
from jaxdl.transfer.edited import Edit, Edited, Layer
from jaxdl.variables import flat, select, unflat

Variables = Mapping[str, Any]
Network = tuple[nn.Module, dict[str, Any]]


def replace(
    model: nn.Module, variables: Variables, at: str, layers: Sequence[Layer], *, key: jax.Array, images: jax.Array
) -> Network:
    """``layers`` in place of the layer ``at``: PyTorch's ``model.fc = nn.Sequential(...)``.

    One layer takes the name of the old one; several are ``fc.0``, ``fc.1``, ... as in a ``Sequential``. Functions such
    as ``nn.relu`` count, too. Raises UserError for an unknown layer and where what follows no longer fits.
    """
    return _edit(model, variables, Edit("in place of", at, at, tuple(layers)), key, images)


def insert(
    model: nn.Module,
    variables: Variables,
    layers: Sequence[Layer],
    *,
    name: str,
    before: str | None = None,
    after: str | None = None,
    key: jax.Array,
    images: jax.Array,
) -> Network:
    """``layers`` on the way into the layer ``before``, or on the way out of ``after``; ``nn.Dropout(0.5)``, say.

    name: of the new layer, in the scope of the one it stands beside; several are ``name.0``, ``name.1``, ...
    Raises UserError for an unknown layer, a name that is taken, and where what follows no longer fits.
    """
    if (before is None) == (after is None):
        raise UserError("name one of before and after.")
    place, at = ("before", before) if after is None else ("after", after)
    scope = at.rpartition(".")[0]
    return _edit(model, variables, Edit(place, at, f"{scope}.{name}" if scope else name, tuple(layers)), key, images)


def append(
    model: nn.Module,
    variables: Variables,
    layers: Sequence[Layer],
    *,
    name: str,
    key: jax.Array,
    images: jax.Array,
) -> Network:
    """``layers`` behind the logits: PyTorch's ``nn.Sequential(model, *layers)``, where the rest keeps its names."""
    return _edit(model, variables, Edit("after", "", name, tuple(layers)), key, images)


def reinitialise(
    model: nn.Module, variables: Variables, patterns: Sequence[str], *, key: jax.Array, images: jax.Array
) -> dict[str, Any]:
    """``variables`` with those that ``patterns`` pick reinitialised, parameters and statistics alike.

    Patterns are those of ``jaxdl.variables``: ``["layer4", "fc"]``.
    """
    return _drawn(model, variables, select(variables, patterns), key, images)


def with_new(
    model: nn.Module, variables: Variables, *, key: jax.Array, images: jax.Array, anew: Sequence[str] = ()
) -> Network:
    """``model`` with the ``variables`` that it has, too; its others, and those of layers ``anew``, are initialised.

    Raises UserError if a shape differs.
    """
    shapes, given = flat(_shapes(model, images)), flat(variables)
    wanted = {path for path in shapes if path not in given}
    if anew:
        wanted |= select(_shapes(model, images), anew)
    differing = [path for path in shapes if path not in wanted and given[path].shape != shapes[path].shape]
    if differing:
        path = differing[0]
        raise UserError(
            f"{'.'.join(path[1:])} is {given[path].shape} and would have to be {shapes[path].shape} after the change. "
            "Give layers that keep the number of channels, or replace that one too."
        )
    return model, _drawn(model, unflat({path: given[path] for path in shapes if path in given}), wanted, key, images)


def _edit(model: nn.Module, variables: Variables, edit: Edit, key: jax.Array, images: jax.Array) -> Network:
    if not edit.layers:
        raise UserError("layers must name at least one layer.")
    known = _called(model, images)
    if edit.at not in known:
        raise unknown("layer", edit.at, known - {""}, listed=False)
    if edit.place != "in place of" and any(_within(name, edit.name) for name in known):
        raise UserError(f"the network already has a layer {edit.name}; give the new one another name.")
    changed = Edited(model.model, (*model.edits, edit)) if isinstance(model, Edited) else Edited(model, (edit,))
    anew = [edit.at] if edit.place == "in place of" else []
    kept = {path: leaf for path, leaf in flat(variables).items() if not anew or not _within(_name(path), edit.at)}
    return with_new(changed, unflat(kept), key=key, images=images)


def _drawn(model: nn.Module, variables: Variables, wanted: set, key: jax.Array, images: jax.Array) -> dict[str, Any]:
    """``variables`` in the model's order, its own initial values at the paths ``wanted``; no others are computed."""

    def initial(key: jax.Array, images: jax.Array) -> dict:
        leaves = flat(model.init(key, images, train=False))
        return {"/".join(path): leaves[path] for path in wanted}

    drawn = jax.jit(initial)(key, images) if wanted else {}
    given = flat(variables)
    order = flat(_shapes(model, images))
    return unflat({path: drawn["/".join(path)] if path in wanted else given[path] for path in order})


def _shapes(model: nn.Module, images: jax.Array) -> Any:
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)


def _called(model: nn.Module, images: jax.Array) -> set[str]:
    """The name of every layer that the network calls; "" is the network itself."""
    found: set[str] = set()

    def note(call, args, kwargs, context):
        found.add(".".join(context.module.path))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        _shapes(model, images)
    return found


def _name(path: tuple[str, ...]) -> str:
    return ".".join(path[1:])


def _within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")
