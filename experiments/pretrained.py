"""What a run starts from where ``--pretrained`` and ``--freeze`` say more than the seed."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxdl.transfer import load_weights
from jaxdl.transfer.conversion import from_pytorch, layout
from jaxdl.transfer.heads import head
from jaxdl.variables import flat, layer_of


def start_from(path: str, model: nn.Module, key: jax.Array, images: jax.Array) -> tuple[dict[str, Any], list[str]]:
    """The model's variables with the arrays of PyTorch's file, and the layers that start anew.

    Those are the classifier's where the file is for another number of classes; ``key`` draws them. images: as the model
    takes them. Raises UserError where the file cannot be read, or is for another network.
    """
    ours = jax.jit(partial(model.init, train=False))(key, images)
    loaded = from_pytorch(load_weights(path), ours, may_differ=head(model, images), **layout(model))
    before, after = flat(ours), flat(loaded)
    return loaded, sorted({layer_of(leaf) for leaf in after if after[leaf] is before[leaf]})


def frozen_patterns(freeze: str | None, model: nn.Module, images: jax.Array) -> list[str]:
    """The patterns that ``--freeze`` means: those it lists, or for ``backbone`` all but the classifier."""
    if freeze == "backbone":
        return ["*", *(f"!{layer}" for layer in head(model, images))]
    return [] if freeze is None else [pattern.strip() for pattern in freeze.split(",")]
