"""What the flags say of the network: which it is, the weights it starts from, and what of it is not trained."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.config import TORCHVISION, Config
from jaxdl import models
from jaxdl.models.vit import VisionTransformer, resize_position_embedding
from jaxdl.saved_model import WEIGHTS
from jaxdl.transfer import load_weights
from jaxdl.transfer.conversion import from_pytorch, layout
from jaxdl.transfer.heads import head
from jaxdl.transfer.torchvision_files import torchvision_weights
from jaxdl.variables import flat, layer_of

PRECISIONS = {"f32": jnp.float32, "bf16": jnp.bfloat16}
SYMMETRIC = ("googlenet", "inception_v3")  # whose published weights saw pixels in [-1, 1]
EMBEDDING = "encoder.pos_embedding"


def model_of(config: Config, *, num_classes: int) -> nn.Module:
    """The network that the flags name."""
    stem = config.stem if models.has_stem(config.model) else None
    symmetric = config.pretrained == TORCHVISION and config.model in SYMMETRIC
    fields = {"transform_input": True} if symmetric else {}
    dtype = PRECISIONS[config.precision]
    return models.create(config.model, num_classes=num_classes, dtype=dtype, stem=stem, **fields)


def weights_file(pretrained: str, name: str, *, offline: bool = False) -> Path:
    """The file that ``--pretrained`` means for the model of that name.

    torchvision's is downloaded if need be; of a folder that ``save_model`` wrote it is the weights.
    """
    if pretrained == TORCHVISION:
        return torchvision_weights(name, offline=offline, progress=True)
    return Path(pretrained, WEIGHTS) if Path(pretrained).is_dir() else Path(pretrained)


def start_from(
    path: str | Path, model: nn.Module, key: jax.Array, images: jax.Array
) -> tuple[dict[str, Any], list[str]]:
    """The model's variables with the arrays of PyTorch's file, and the layers that start anew.

    Those are the classifier's where the file is for another number of classes; ``key`` draws them. A transformer's
    position embedding is brought to the size of the images. images: as the model takes them. Raises UserError where the
    file cannot be read, or is for another network.
    """
    ours = jax.jit(partial(model.init, train=False))(key, images)
    arrays = load_weights(path)
    if isinstance(model, VisionTransformer) and np.ndim(arrays.get(EMBEDDING)) == 3:
        arrays = {**arrays, EMBEDDING: _resized(arrays[EMBEDDING], model, ours, images)}
    loaded = from_pytorch(arrays, ours, may_differ=head(model, images), **layout(model))
    before, after = flat(ours), flat(loaded)
    return loaded, sorted({layer_of(leaf) for leaf in after if after[leaf] is before[leaf]})


def frozen_patterns(freeze: str | None, model: nn.Module, images: jax.Array) -> list[str]:
    """The patterns that ``--freeze`` means: those it lists, or for ``backbone`` all but the classifier."""
    if freeze == "backbone":
        return ["*", *(f"!{layer}" for layer in head(model, images))]
    return [] if freeze is None else [pattern.strip() for pattern in freeze.split(",")]


def _resized(embedding: np.ndarray, model: VisionTransformer, variables: dict[str, Any], images: jax.Array) -> Any:
    """The embedding for as many patches as ``images`` have, if it is one of a square of patches."""
    side, patch = math.isqrt(embedding.shape[1] - 1), variables["params"]["conv_proj"]["kernel"].shape[0]
    size = images.shape[1] // patch, images.shape[2] // patch
    if embedding.shape[1] != 1 + side * side or size == (side, side):
        return embedding
    return resize_position_embedding(jnp.asarray(embedding), (side, side), size)
