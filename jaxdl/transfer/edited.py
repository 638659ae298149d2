"""A network with layers inserted, appended or replaced, without changes to its code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import numpy as np

PLACES = ("before", "after", "in place of")
Layer = nn.Module | Callable[[jax.Array], jax.Array]


@dataclass(frozen=True)
class Edit:
    """``layers``, one after another, ``place`` the layer ``at``: one of ``PLACES``, and a name in the network, "" for
    the network itself. ``name`` is that of the first if it is alone; several are ``name.0``, ``name.1``, ..."""

    place: str
    at: str
    name: str
    layers: tuple[Layer, ...]


class Edited(nn.Module):
    """``model`` with ``edits``; called as it is, its variables named as in it.

    A layer that differs between training and evaluation is passed ``train``, or linen's own ``deterministic`` and
    ``use_running_average`` if they are not set.
    """

    model: nn.Module
    edits: tuple[Edit, ...] = ()

    @property
    def num_classes(self) -> int:
        """The model's."""
        return self.model.num_classes

    @property
    def auxiliary_weight(self) -> float:
        """The model's."""
        return self.model.auxiliary_weight

    @property
    def flattened(self) -> Mapping[str, tuple[int, int, int]]:
        """The model's, for ``transfer.conversion``."""
        return getattr(self.model, "flattened", {})

    @property
    def pytorch_names(self) -> Mapping[str, str]:
        """The model's, for ``transfer.conversion``."""
        return getattr(self.model, "pytorch_names", {})

    @property
    def pytorch_buffers(self) -> Mapping[str, np.ndarray]:
        """The model's, for ``transfer.conversion``."""
        return getattr(self.model, "pytorch_buffers", {})

    def setup(self) -> None:
        nn.share_scope(self, self.model)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, **options: Any) -> Any:
        """As the model's own."""
        built: dict[int, list[Layer]] = {}  # a network may call one layer twice
        inside: set[str] = set()  # a layer of ours and linen's that does its work have one name

        def run(edit: Edit, x: jax.Array, at: nn.Module) -> jax.Array:
            if id(edit) not in built:
                built[id(edit)] = self._bound(edit, at)
            for layer in built[id(edit)]:
                x = _call(layer, x, train)
            return x

        def change(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
            at = ".".join(context.module.path[len(self.path) :])
            edits = [edit for edit in self.edits if edit.at == at]
            if not edits or context.method_name != "__call__" or at in inside:
                return call(*args, **kwargs)
            inside.add(at)
            x, *others = args
            for edit in edits:
                if edit.place == "before":
                    x = run(edit, x, context.module)
            instead = [edit for edit in edits if edit.place == "in place of"]
            out = run(instead[-1], x, context.module) if instead else call(x, *others, **kwargs)
            for edit in edits:
                if edit.place == "after" and isinstance(out, tuple):  # logits, and features that stay as they are
                    out = (run(edit, out[0], context.module), *out[1:])
                elif edit.place == "after":
                    out = run(edit, out, context.module)
            inside.remove(at)
            return out

        with nn.intercept_methods(change):
            return self.model(x, train=train, **options)

    def _bound(self, edit: Edit, at: nn.Module) -> list[Layer]:
        if edit.place == "in place of" and len(edit.layers) == 1 and isinstance(edit.layers[0], nn.Module):
            layer = edit.layers[0].clone(parent=at, name="in place of it")  # a name that no layer within can have
            nn.share_scope(at, layer)
            return [layer]
        names = [edit.name] if len(edit.layers) == 1 else [f"{edit.name}.{index}" for index in range(len(edit.layers))]
        return [
            layer.clone(parent=self, name=name) if isinstance(layer, nn.Module) else layer
            for layer, name in zip(edit.layers, names, strict=True)
        ]


def _call(layer: Layer, x: jax.Array, train: bool) -> jax.Array:
    if isinstance(layer, nn.Module):
        for flag, value in (("deterministic", not train), ("use_running_average", not train)):
            if getattr(layer, flag, train) is None:
                return layer(x, **{flag: value})
        if "train" in nn.module.inspect.signature(type(layer).__call__).parameters:
            return layer(x, train=train)
    return layer(x)
