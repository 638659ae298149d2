"""Weights that a network starts from, ``--pretrained``: the file, what it asks of the flags, and its variables."""

import dataclasses
import math
from collections.abc import Callable, Mapping
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
from jaxdl.transfer import recognition
from jaxdl.transfer.choice import Choice
from jaxdl.transfer.conversion import AUXILIARY, from_pytorch, layout, located
from jaxdl.transfer.heads import head
from jaxdl.transfer.torchvision_files import is_published, torchvision_weights
from jaxdl.transfer.weights import Contents, contents
from jaxdl.variables import flat, layer_of

EMBEDDING = "encoder.pos_embedding"
SIDE = 96  # pixels that every network takes


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
    """``config`` with the stem and the input that the file in ``--pretrained`` is for, where no flag says; prints why.

    The shapes in the file decide the stem. Where it fits both, a network saved here says which it had, and of any other
    file it is the published network's.
    """
    if config.pretrained in (None, TORCHVISION):
        return config
    path = weights_file(config.pretrained, config.model)
    saved_stem, saved_std = _saved(path.parent)
    if config.stem is None and models.has_stem(config.model):
        held = contents(path, config.weights_key)
        stems = [stem for stem in models.STEMS if _fits(held, config, stem, dataset)]
        stem = stems[0] if len(stems) == 1 else saved_stem or "imagenet"
        config = dataclasses.replace(config, stem=stem)
        if len(stems) > 1:
            [other] = set(stems) - {stem}
            print(f"note     stem {stem}, as the weights' network has it; they fit --stem {other} too")
    if config.transform_input is None and config.model in SYMMETRIC:
        config = dataclasses.replace(config, transform_input=is_published(path, config.model))
    if config.normalize and "normalize" not in given:
        if saved_std is None:
            print(
                "note     pixels are normalised by these images' own statistics; weights that saw them in [0, 1], as "
                "the course's did, need --no-normalize"
            )
        elif saved_std == [1.0]:
            print("note     these weights saw pixels in [0, 1]; they need --no-normalize")
    return config


def start_from(
    path: str | Path,
    model: nn.Module,
    key: jax.Array,
    images: jax.Array,
    *,
    weights_key: str | None = None,
    tell: Callable[[str], Any] = str,
) -> tuple[dict[str, Any], list[str]]:
    """The model's variables with the arrays of PyTorch's file, and the layers that start anew.

    Those are the classifier's where the file is for another number of classes, and auxiliary classifiers that it lacks;
    ``key`` draws them. A transformer's position embedding is brought to the size of the images. images: as the model
    takes them. weights_key: which of several state dicts, see ``transfer.pickle_reader``. tell: called with a line for
    each thing that was left out or chosen. Raises UserError where the file cannot be read, or is for another network,
    with whose it is if that is known.
    """
    ours = jax.jit(partial(model.init, train=False))(key, images)
    held = contents(path, weights_key)
    choice = _located(held, model, ours)
    try:
        loaded = _loaded(held, choice, model, ours, images)
    except UserError as error:
        raise UserError(f"{error} {_whose(held.dicts[choice.keys], model)}".rstrip()) from error
    for remark in choice.remarks():
        tell(remark)
    before, after = flat(ours), flat(loaded)
    return loaded, sorted({layer_of(leaf) for leaf in after if after[leaf] is before[leaf]})


def _located(held: Contents, model: nn.Module, variables: dict[str, Any]) -> Choice:
    return located(held.dicts, variables, may_lack=AUXILIARY, names=layout(model)["names"])


def _loaded(
    held: Contents, choice: Choice, model: nn.Module, ours: dict[str, Any], images: jax.Array
) -> dict[str, Any]:
    arrays = held.arrays(choice)
    if isinstance(model, VisionTransformer) and np.ndim(arrays.get(EMBEDDING)) == 3:
        arrays = {**arrays, EMBEDDING: _resized(arrays[EMBEDDING], model, ours, images)}
    return from_pytorch(arrays, ours, may_differ=head(model, images), may_lack=AUXILIARY, **layout(model))


def _whose(arrays: Mapping[str, Any], model: nn.Module) -> str:
    """A sentence on the network that the arrays are of, if it is known."""
    images = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)

    def variables_of(name: str) -> dict[str, Any]:
        network = models.create(name)
        return jax.eval_shape(partial(network.init, train=False), jax.random.key(0), images)

    name = recognition.ours(arrays, variables_of)
    if name is None:
        return recognition.whose(arrays) or ""
    if isinstance(model, type(models.create(name))) and models.describe(model)[0] == name:
        return f"They are of {name}, but with other layers, such as another stem."
    return f"These are the weights of {name}: model {name}."


def _saved(folder: Path) -> tuple[str | None, list[float] | None]:
    """Of a network saved or exported in the folder, the stem and what pixels were divided by."""
    if not (folder / saved_model.DESCRIPTION).is_file():
        return None, None
    saved = saved_model.description(folder)
    arguments, about = saved.get("arguments"), saved.get("about")
    stem = arguments.get("stem") if stored.fits(arguments, dict[str, Any]) else None
    std = about.get("std") if stored.fits(about, dict[str, Any]) else None
    return stem if stem in models.STEMS else None, std if stored.fits(std, list[float]) else None


def _fits(held: Contents, config: Config, stem: str, dataset: Dataset) -> bool:
    model = model_of(dataclasses.replace(config, stem=stem), num_classes=len(dataset.classes))
    images = jax.ShapeDtypeStruct((1, *dataset.train.images.shape[1:]), jnp.float32)
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    try:
        _loaded(held, _located(held, model, shapes), model, shapes, images)
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
