"""A train state that starts from the weights in a file of PyTorch's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from jaxdl import models
from jaxdl.train.state import TrainState
from jaxdl.transfer import load_weights
from jaxdl.transfer.conversion import from_pytorch


def start_from(path: str, state: TrainState, model: nn.Module, images: jax.Array) -> tuple[TrainState, list[str]]:
    """``state`` with the parameters and batch statistics of the file, and the layers that keep their own.

    Those are the classifier's where the file is for another number of classes. images: as the model takes them.
    Raises UserError where the file cannot be read, or is for another network.
    """
    ours = {"params": state.params, "batch_stats": state.batch_stats}
    loaded = from_pytorch(
        load_weights(path),
        ours,
        flattened=getattr(model, "flattened", {}),
        names=getattr(model, "pytorch_names", {}),
        may_differ=models.head(model, images),
    )
    before, after = (traverse_util.flatten_dict(tree["params"], sep=".") for tree in (ours, loaded))
    kept = sorted({name.rpartition(".")[0] for name in after if after[name] is before[name]})
    loaded = jax.tree.map(jnp.array, loaded)
    return state.replace(params=loaded["params"], batch_stats=loaded.get("batch_stats", {})), kept
