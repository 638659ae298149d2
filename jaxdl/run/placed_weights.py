"""A network's arrays in a file: where they lie, whatever classifier is there, and the variables that they fill."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError
from jaxdl.models.detector import Detector
from jaxdl.models.segmenter import Segmenter
from jaxdl.models.vit import VisionTransformer, resize_position_embedding
from jaxdl.transfer.choice import Choice
from jaxdl.transfer.conversion import AUXILIARY, from_pytorch, is_auxiliary, layout, located
from jaxdl.transfer.heads import head
from jaxdl.transfer.weights import Contents
from jaxdl.variables import flat, layer_of

EMBEDDING = "encoder.pos_embedding"


class Replaced(NamedTuple):
    """A classifier of other layers than the network's.

    names: of its arrays in the file; layers: the network's own, which start anew.
    """

    names: Sequence[str] = ()
    layers: tuple[str, ...] = ()


def placed(
    held: Contents, model: nn.Module, variables: dict[str, Any], images: Any
) -> tuple[Contents, Choice, Replaced]:
    """Where the network lies in the file, whatever the layers of its classifier there.

    Of one that was replaced, the arrays under its layer's name or else under its module's are left out of the contents:
    ``fc.1.weight``, ``classifier.weight`` for ``classifier.1``.
    """
    choice = _located(held, model, variables, images)
    if choice.whole or isinstance(model, Segmenter | Detector):
        return held, choice, Replaced()
    named = layout(model)["names"]
    heads = [named.get(layer, layer) for layer in head(model, images) if not is_auxiliary(layer)]
    below = choice.placement.unused | choice.placement.names
    ours = {layer_of(path) for path in flat(variables)}
    for places in (heads, [layer.partition(".")[0] for layer in heads]):
        under = tuple(f"{place}." for place in places)
        names = {theirs: None for name, theirs in below.items() if name.startswith(under)}
        layers = tuple(layer for layer in ours if f"{named.get(layer, layer)}.".startswith(under))
        given = {name: array for name, array in held.dicts[choice.keys].items() if name not in names}
        rest = dataclasses.replace(held, dicts={choice.keys: given})
        found = _located(rest, model, variables, images, layers)
        if found.whole:
            return rest, found, Replaced(list(names), layers)
    return held, choice, Replaced()


def _located(
    held: Contents, model: nn.Module, variables: dict[str, Any], images: Any, lacking: Collection[str] = ()
) -> Choice:
    how, classifier = layout(model), head(model, images)
    return located(
        held.dicts,
        variables,
        may_lack=(*AUXILIARY, *classifier, *lacking),
        may_differ=classifier,
        names=how["names"],
        buffers=how["buffers"],
    )


def loaded(
    held: Contents,
    arrays: Mapping[str, np.ndarray],
    model: nn.Module,
    ours: dict[str, Any],
    images: jax.Array,
    replaced: Replaced,
) -> dict[str, Any]:
    """The variables ``ours`` with the arrays, a transformer's positions brought to the size of the images."""
    if isinstance(model, VisionTransformer) and np.ndim(arrays.get(EMBEDDING)) == 3:
        arrays = {**arrays, EMBEDDING: _resized(arrays[EMBEDDING], model, ours, images)}
    classifier = head(model, images)
    lacking = (*AUXILIARY, *classifier, *replaced.layers)
    return from_pytorch(arrays, ours, may_differ=classifier, may_lack=lacking, **layout(model))


def fault(held: Contents, model: nn.Module, ours: dict[str, Any], images: jax.Array) -> UserError | None:
    """Why the weights are not the network's, None where they are."""
    try:
        held, choice, replaced = placed(held, model, ours, images)
        loaded(held, held.arrays(choice), model, ours, images, replaced)
    except UserError as error:
        return error
    return None


def _resized(
    embedding: np.ndarray, model: VisionTransformer, variables: dict[str, Any], images: jax.Array
) -> np.ndarray:
    """The embedding for as many patches as ``images`` have, if it is one of a square of patches."""
    if embedding.shape[1] < 2:  # of no patch at all
        return embedding
    side, patch = math.isqrt(embedding.shape[1] - 1), variables["params"]["conv_proj"]["kernel"].shape[0]
    size = images.shape[1] // patch, images.shape[2] // patch
    if embedding.shape[1] != 1 + side * side or size == (side, side):
        return embedding
    return np.asarray(resize_position_embedding(jnp.asarray(embedding), (side, side), size))
