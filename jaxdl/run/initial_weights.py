"""Weights that a network starts from, ``--pretrained``: the file, what it asks of the flags, and its variables."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import initial_values, models, saved_model
from jaxdl.errors import UserError
from jaxdl.models.backbone import with_backbone
from jaxdl.models.detector import Detector
from jaxdl.models.segmenter import Segmenter, backbone_of
from jaxdl.models.unet import UNet
from jaxdl.run import stored
from jaxdl.run.config import TORCHVISION, Config
from jaxdl.run.network import SYMMETRIC, model_of
from jaxdl.run.placed_weights import fault, loaded, placed
from jaxdl.run.preprocessing import of_weights
from jaxdl.saved_model import WEIGHTS
from jaxdl.transfer import recognition
from jaxdl.transfer.accompanying import check_architecture
from jaxdl.transfer.choice import absent_layers
from jaxdl.transfer.conversion import AUXILIARY, is_auxiliary, layout
from jaxdl.transfer.heads import head
from jaxdl.transfer.published import SEGMENTERS
from jaxdl.transfer.torchvision_files import network_of, published_as, torchvision_weights
from jaxdl.transfer.weights import Contents, contents
from jaxdl.variables import flat, layer_of
from jaxdl.wording import printable, shown

SHOWN = 3  # arrays of a classifier
SIDE = 224  # pixels that every network takes


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


def published_name(config: Config, model: nn.Module) -> str:
    """The network whose weights ``--pretrained torchvision`` means: of a segmenter that has none published, its
    backbone's."""
    of_backbone = isinstance(model, Segmenter | Detector) and config.model not in SEGMENTERS
    return model.backbone if of_backbone else config.model


def fitted_to_weights(config: Config, *, num_classes: int, image: tuple[int, int, int]) -> Config:
    """``config`` with the stem that the file in ``--pretrained`` is for, where no flag says; prints why.

    image: (H, W, C) of what the network sees. The shapes in the file decide the stem. Where it fits both, a network
    saved here says which it had, and of any other file it is the published network's.
    """
    if config.pretrained in (None, TORCHVISION):
        return config
    path = weights_file(config.pretrained, config.model)
    saved = _saved_arguments(path)
    saved_stem = saved.get("stem") if saved.get("stem") in models.STEMS else None
    if config.stem is None and models.has_stem(config.model):
        held = contents(path, config.weights_key)
        stems = stems_of(held, config, num_classes=num_classes, image=image)
        stem = stems[0] if len(stems) == 1 else saved_stem or "imagenet"
        config = dataclasses.replace(config, stem=stem)
        if len(stems) > 1:
            [other] = set(stems) - {stem}
            print(f"note     stem {stem}, as the weights' network has it; they fit --stem {other} too")
    if config.transform_input is None and config.model in SYMMETRIC:
        published = published_as(path, config.model) is not None
        rescaled = published or saved.get("transform_input") is True
        config = dataclasses.replace(config, transform_input=rescaled)
        if not rescaled and ((known := of_weights(config.pretrained, config.model)) is None or known.assumed):
            print(
                f"note     pixels as they are normalised; torchvision's published {config.model} rescales them to "
                "[-1, 1]: --transform-input if these weights do",
                flush=True,
            )
    return config


def stems_of(held: Contents, config: Config, *, num_classes: int, image: tuple[int, int, int]) -> list[str]:
    """The stems of the network with which the weights' shapes fit."""
    networks = {
        stem: model_of(dataclasses.replace(config, stem=stem), num_classes=num_classes) for stem in models.STEMS
    }
    return [stem for stem, model in networks.items() if _fits(held, model, image)]


def start_from(
    path: str | Path,
    model: nn.Module,
    key: jax.Array | None,
    images: jax.Array,
    *,
    weights_key: str | None = None,
    tell: Callable[[str], Any] = str,
) -> tuple[dict[str, Any], list[str]]:
    """The model's variables with the arrays of PyTorch's file, and the layers that start anew.

    Those are the classifier's where the file is for another number of classes or has one of other layers, and auxiliary
    classifiers that it lacks; ``key`` draws them, or without one they are zeros. A transformer's position embedding is
    brought to the size of the images. images: as the model takes them. weights_key: which of several state dicts, see
    ``transfer.pickle_reader``.
    tell: called with a line for each thing that was left out or chosen. Raises UserError where the file cannot be read,
    has numbers that are not finite, or is for another network, with whose it is if that is known.
    """
    if key is None:
        ours = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), initial_values.shapes(model, images))
    else:
        ours = initial_values.initial_variables(model, key, images)
    held = contents(path, weights_key)
    _check_architecture(held.path, model)
    held, choice, replaced = placed(held, model, ours, images)
    if isinstance(model, Segmenter | Detector) and not choice.whole:
        classifier = backbone_of(model.backbone, dtype=jnp.float32)
        photograph = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
        if placed(held, classifier, initial_values.shapes(classifier, photograph), photograph)[1].whole:
            return _with_backbone(held, classifier, ours, photograph, tell)
    arrays = held.arrays(choice)
    try:
        filled = loaded(held, arrays, model, ours, images, replaced)
    except UserError as error:
        if choice.whole and not choice.differing:  # it is the numbers that are at fault
            raise
        why = _other_stem(held, model, images) or _whose(held.dicts[choice.keys], model)
        if held.library is not None and not choice.whole:
            plain = contents(path, weights_key, translate=False)
            error = fault(plain, model, ours, images) or error
            why = why or _whose(plain.dicts[placed(plain, model, ours, images)[1].keys], model)
        raise UserError(f"{error} {why}".rstrip()) from error
    check_finite(held.path, filled)
    for remark in choice.remarks(asked=weights_key is not None):
        tell(remark)
    before, after = flat(ours), flat(filled)
    anew = sorted({layer_of(leaf) for leaf in after if after[leaf] is before[leaf]})
    if held.library is not None:
        tell(f"the weights have the names of {held.library}")
    named = layout(model)["names"]
    classifier = [named.get(layer, layer) for layer in anew if layer in head(model, images) and not is_auxiliary(layer)]
    if replaced.names:
        tell(f"the classifier in the file is of other layers and is left out: {_some(replaced.names)}")
    elif absent_layers(choice.placement.names, classifier):
        tell("the weights have no classifier")
    return filled, anew


def check_finite(path: Path, variables: Mapping[str, Any]) -> None:
    """Raises UserError for weights with numbers that are not finite: no network computes anything with them."""
    for place, leaf in flat(variables).items():
        if not np.isfinite(leaf).all():
            name = ".".join(place[1:])
            raise UserError(f"{printable(str(path))} has numbers in {name} that are not finite, or beyond float32.")


def _with_backbone(
    held: Contents, classifier: nn.Module, ours: dict[str, Any], images: Any, tell: Callable[[str], Any]
) -> tuple[dict[str, Any], list[str]]:
    """As ``start_from``, where the file is of the classifier that the network's backbone is."""
    given, _ = start_from(held.path, classifier, None, images, weights_key=held.key, tell=tell)
    tell("the weights are a classifier's: the backbone begins with them")
    within = model_path(ours)
    anew = {layer_of(path) for path in flat(ours) if path[1 : 1 + len(within)] != within}
    return with_backbone(ours, given, within=within), sorted(anew)


def model_path(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """The place of the backbone's variables: of a detector its pyramid's are beside them."""
    return ("backbone", "body") if "body" in variables["params"]["backbone"] else ("backbone",)


def classes_in(held: Contents, model: nn.Module, images: jax.Array) -> int | None:
    """The number of classes that the weights are for, those of ``model`` whatever their number.

    None where they have no classifier. Raises UserError where they are of another network.
    """
    _check_architecture(held.path, model)
    held, choice, _ = placed(held, model, initial_values.shapes(model, images), images)
    if not choice.whole:
        start_from(held.path, model, None, images, weights_key=held.key)  # says what is wrong
        return None  # nothing is: it is a backbone's
    named = layout(model)["names"]
    for layer in head(model, images):
        for name, theirs in choice.placement.names.items():
            if name.startswith(f"{named.get(layer, layer)}."):
                return held.dicts[choice.keys][theirs].shape[0]
    return None


def replaced_classifier(held: Contents, model: nn.Module, images: jax.Array) -> str:
    """Names of a classifier in the file that is of other layers than the model's, in words; empty if it has none."""
    return _some(placed(held, model, initial_values.shapes(model, images), images)[2].names)


def whose(held: Contents, model: nn.Module) -> str | None:
    """A sentence on the segmenter, or for a segmenter on the classifier, that the weights are of; None for others, and
    where they are the model's."""
    every = [name for arrays in held.dicts.values() for name in arrays]
    segmenter = recognition.segmenter_of(every)
    if segmenter is not None:
        same = isinstance(model, type(models.create(segmenter))) and model.backbone in segmenter
        return None if same else f"These are the weights of {segmenter}: --model {segmenter}."
    if not isinstance(model, Segmenter | UNet):
        return None
    name = next(filter(None, map(_named, held.dicts.values())), None)
    if name is None:
        return None
    return (
        f"These are the weights of {name}, a classifier: --model {name}, or train a segmenter on them (jaxdl segment)."
    )


def _other_stem(held: Contents, model: nn.Module, images: Any) -> str:
    """A sentence, if the weights are for the network with another of its stems."""
    others = [stem for stem in models.STEMS if stem != getattr(model, "stem", stem)]
    fitting = [stem for stem in others if _fits(held, model.clone(stem=stem), images.shape[1:])]
    return f"They are for its stem {fitting[0]}: --stem {fitting[0]}, or leave the flag out." if fitting else ""


def _named(arrays: Mapping[str, Any]) -> str | None:
    """The name of the classifier that the arrays are of, if it is known."""
    images = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)

    def network_of(name: str) -> recognition.Network:
        network = models.create(name)
        how = layout(network)
        lacking = (*AUXILIARY, *head(network, images))
        return recognition.Network(initial_values.shapes(network, images), how["names"], how["buffers"], lacking)

    return recognition.ours(arrays, network_of)


def _whose(arrays: Mapping[str, Any], model: nn.Module) -> str:
    """A sentence on the network that the arrays are of, if it is known."""
    if (name := _named(arrays)) is None:
        return recognition.whose(arrays) or ""
    if isinstance(model, type(models.create(name))) and models.describe(model)[0] == name:
        return f"They are of {name}, but with other layers, such as another stem."
    if isinstance(model, Segmenter | Detector):
        return f"These are the weights of {name}: --backbone {name}."
    if isinstance(model, UNet):
        return f"These are the weights of {name}, a classifier, of which it has no part."
    return f"These are the weights of {name}: model {name}."


def _check_architecture(path: Path, model: nn.Module) -> None:
    """Raises where a file beside says that these are of another network; one that is known by its hash is not."""
    if network_of(path) is None:
        check_architecture(path.parent, getattr(model, "heads", None))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more


def _saved_arguments(path: Path) -> dict[str, Any]:
    """The arguments of a network saved or exported with these weights; none of any other."""
    if (folder := saved_model.folder_of(path)) is None:
        return {}
    arguments = saved_model.description(folder).get("arguments")
    return arguments if stored.fits(arguments, dict[str, Any]) else {}


def _fits(held: Contents, model: nn.Module, image: tuple[int, int, int]) -> bool:
    images = jax.ShapeDtypeStruct((1, *image), jnp.float32)
    try:  # a stem may not take such images at all
        shapes = initial_values.shapes(model, images)
    except UserError:
        return False
    return fault(held, model, shapes, images) is None
