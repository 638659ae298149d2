"""The classifier of a network: the layers that depend on the number of classes."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax

from jaxdl import initial_values
from jaxdl.errors import UserError
from jaxdl.transfer.edited import Edited
from jaxdl.transfer.surgery import with_new
from jaxdl.variables import flat, layer_of


def head(model: nn.Module, images: jax.Array) -> list[str]:
    """Names of the layers whose parameters depend on the number of classes, to be replaced for another task.

    images: float[B, H, W, C] that the model takes; only their shape matters.
    """

    def shapes(model: nn.Module) -> dict[tuple[str, ...], tuple[int, ...]]:
        return {path: leaf.shape for path, leaf in flat(initial_values.shapes(model, images)).items()}

    ours, larger = shapes(model), shapes(_with_classes(model, model.num_classes + 1))
    return sorted({layer_of(path) for path, shape in ours.items() if shape != larger[path]})


def replace_head(
    model: nn.Module, variables: Mapping[str, Any], *, num_classes: int, key: jax.Array, images: jax.Array
) -> tuple[nn.Module, dict[str, Any]]:
    """The network for ``num_classes`` classes: its classifiers, auxiliary ones too, start anew, all else is kept.

    key: for initialising the new layers; images: float[B, H, W, C] that the model takes. Raises UserError for fewer
    than one class, and where the classifier was itself replaced by a layer of a fixed size.
    """
    if num_classes < 1:
        raise UserError(f"num_classes must be at least 1, got {num_classes}.")
    layers = head(model, images)
    if not layers:
        raise UserError("this network's classifier was replaced by layers of a fixed size; replace those by name.")
    return with_new(_with_classes(model, num_classes), variables, key=key, images=images, anew=layers)


def _with_classes(model: nn.Module, num_classes: int) -> nn.Module:
    if isinstance(model, Edited):
        return model.clone(model=_with_classes(model.model, num_classes))
    return model.clone(num_classes=num_classes)
