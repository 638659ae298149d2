"""Weights that a network starts from, ``--pretrained``: the file, what it asks of the flags, and its variables."""

import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import models, saved_model
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.models.vit import VisionTransformer, resize_position_embedding
from jaxdl.run import stored
from jaxdl.run.config import TORCHVISION, Config
from jaxdl.run.network import SYMMETRIC, model_of
from jaxdl.saved_model import WEIGHTS
from jaxdl.transfer import load_weights
from jaxdl.transfer.conversion import from_pytorch, layout
from jaxdl.transfer.heads import head
from jaxdl.transfer.torchvision_files import published_as, torchvision_weights
from jaxdl.variables import flat, layer_of

EMBEDDING = "encoder.pos_embedding"


def weights_file(pretrained: str, name: str, *, offline: bool = False) -> Path:
    """The file that ``--pretrained`` means for the model of that name.

    torchvision's is downloaded if need be; of a folder that ``save_model`` wrote it is the weights.
    """
    if pretrained == TORCHVISION:
        return torchvision_weights(name, offline=offline, progress=True)
    path = Path(pretrained)
    if path.is_dir() and not (path / WEIGHTS).exists():
        raise UserError(f"{path} is a folder, but not one with an exported network, which has {WEIGHTS}. Name a file.")
    return path / WEIGHTS if path.is_dir() else path


def fitted_to_weights(config: Config, dataset: Dataset, given: frozenset[str]) -> Config:
    """``config`` with the stem that the file in ``--pretrained`` is for, where no flag says; prints why.

    The shapes in the file decide the stem. Where it fits both, a network saved here says which it had, and of any other
    file it is the published network's.
    """
    if config.pretrained in (None, TORCHVISION):
        return config
    path = weights_file(config.pretrained, config.model)
    saved_stem = _saved_stem(path.parent)
    if config.stem is None and models.has_stem(config.model):
        arrays = load_weights(path)
        stems = [stem for stem in models.STEMS if _fits(arrays, config, stem, dataset)]
        stem = stems[0] if len(stems) == 1 else saved_stem or "imagenet"
        config = dataclasses.replace(config, stem=stem)
        if len(stems) > 1:
            [other] = set(stems) - {stem}
            print(f"note     stem {stem}, as the weights' network has it; they fit --stem {other} too")
    if config.transform_input is None and config.model in SYMMETRIC:
        config = dataclasses.replace(config, transform_input=published_as(path, config.model) is not None)
    return config


def start_from(
    path: str | Path, model: nn.Module, key: jax.Array, images: jax.Array
) -> tuple[dict[str, Any], list[str]]:
    """The model's variables with the arrays of PyTorch's file, and the layers that start anew.

    Those are the classifier's where the file is for another number of classes; ``key`` draws them. A transformer's
    position embedding is brought to the size of the images. images: as the model takes them. Raises UserError where the
    file cannot be read, or is for another network.
    """
    ours = jax.jit(partial(model.init, train=False))(key, images)
    loaded = _loaded(load_weights(path), model, ours, images)
    before, after = flat(ours), flat(loaded)
    return loaded, sorted({layer_of(leaf) for leaf in after if after[leaf] is before[leaf]})


def _loaded(arrays: dict[str, np.ndarray], model: nn.Module, ours: dict[str, Any], images: jax.Array) -> dict[str, Any]:
    if isinstance(model, VisionTransformer) and np.ndim(arrays.get(EMBEDDING)) == 3:
        arrays = {**arrays, EMBEDDING: _resized(arrays[EMBEDDING], model, ours, images)}
    return from_pytorch(arrays, ours, may_differ=head(model, images), **layout(model))


def _saved_stem(folder: Path) -> str | None:
    """The stem of a network saved or exported in the folder."""
    if not (folder / saved_model.DESCRIPTION).is_file():
        return None
    arguments = saved_model.description(folder).get("arguments")
    stem = arguments.get("stem") if stored.fits(arguments, dict[str, Any]) else None
    return stem if stem in models.STEMS else None


def _fits(arrays: dict[str, np.ndarray], config: Config, stem: str, dataset: Dataset) -> bool:
    model = model_of(dataclasses.replace(config, stem=stem), num_classes=len(dataset.classes))
    images = jax.ShapeDtypeStruct((1, *dataset.train.images.shape[1:]), jnp.float32)
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    try:
        _loaded(arrays, model, shapes, images)
    except UserError:
        return False
    return True


def _resized(embedding: np.ndarray, model: VisionTransformer, variables: dict[str, Any], images: jax.Array) -> Any:
    """The embedding for as many patches as ``images`` have, if it is one of a square of patches."""
    if embedding.shape[1] < 2:  # of no patch at all
        return embedding
    side, patch = math.isqrt(embedding.shape[1] - 1), variables["params"]["conv_proj"]["kernel"].shape[0]
    size = images.shape[1] // patch, images.shape[2] // patch
    if embedding.shape[1] != 1 + side * side or size == (side, side):
        return embedding
    return resize_position_embedding(jnp.asarray(embedding), (side, side), size)
