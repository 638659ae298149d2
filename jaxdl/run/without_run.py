"""Pretrained weights used as they are: their network, as if it came from a run."""

import dataclasses
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxdl import models, saved_model
from jaxdl.errors import UserError
from jaxdl.models.vit import VisionTransformer
from jaxdl.run import compilation_cache, preprocessing
from jaxdl.run.build import loaded
from jaxdl.run.channels import channels_of
from jaxdl.run.config import TORCHVISION, Config
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.flags import flag_name
from jaxdl.run.initial_weights import (
    check_finite,
    classes_in,
    fitted_to_weights,
    replaced_classifier,
    weights_file,
    whose,
)
from jaxdl.run.task import Task
from jaxdl.run.tasks import TASKS, TRAINED_BY
from jaxdl.saved_model import SavedModel
from jaxdl.train.state import create_state
from jaxdl.transfer.conversion import is_auxiliary
from jaxdl.transfer.edited import Edited
from jaxdl.transfer.weights import contents
from jaxdl.wording import counted, printable

MOST_LETTERS = 10_000_000  # of a file with names of classes
OF_NETWORKS = ("stem", "transform_input", "backbone", "output_stride", "width")  # fields that are flags too
ANY = 1000  # classes, of a network that is compared with a file whose number is not known yet


def load(*, classes: str | None = None, offline: bool = False, classifier: bool = True, **settings: Any) -> FinishedRun:
    """The network of ``--model`` with the weights of ``--pretrained``; prints what pictures it takes.

    classes: a file with their names, as many as the weights have. classifier: whether the weights must have one; where
    they need not, it has any values. settings: those of the configuration that were given. Raises UserError for weights
    that do not fit, and where nobody knows how pixels are to be normalised.
    """
    compilation_cache.use()
    saved = _saved(settings)
    task = TASKS["segmentation" if settings["model"] in models.SEGMENTERS else "classification"]
    config, image = task.without_data({"offline": offline, **settings}, saved)
    channels = channels_of(config.normalize)
    if channels is None:
        raise UserError("nothing tells how the weights saw their pixels: give --normalize imagenet, none or MEAN/STD.")
    images = jnp.zeros((1, *image))
    file = weights_file(config.pretrained, config.model, offline=offline)
    if saved is None or (isinstance(saved.model, VisionTransformer) and image != saved.image):  # of other positions
        config, model, variables, count = _of_file(task, config, file, images, classifier=classifier)
    else:
        model, variables = saved.model, saved.variables
        check_finite(file, variables)
        count = jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images).shape[-1]
    state = create_state(model, optax.identity(), jax.random.key(0), images, variables=variables)
    mean, std = channels
    record = {
        "command": shlex.join(["python", "-m", *sys.orig_argv[2:]]),
        "task": task.name,
        "dataset": "none",
        "dataset_source": f"weights in {printable(str(file))}",
        "dataset_fingerprint": "",
        "notice": None,
        "classes": list(_classes(task, config, count, listed=classes)),
        "image": list(image),
        "mean": list(mean),
        "std": list(std),
        "config": {},
    }
    return FinishedRun(model=model, state=state.replace(opt_state=()), config=config, record=record)


def _saved(settings: Mapping[str, Any]) -> SavedModel | None:
    """The network saved in the folder of ``--pretrained``, with its edits; None where that is none's."""
    folder = None if settings["pretrained"] == TORCHVISION else saved_model.folder_of(Path(settings["pretrained"]))
    if folder is None:
        return None
    found, asked = saved_model.description(folder).get("model"), settings["model"]
    if found != asked:
        raise UserError(f"{printable(str(folder))} holds {found!r:.80}, not {asked}: leave --model out.")
    saved = saved_model.load_model(folder)
    network = saved.model.model if isinstance(saved.model, Edited) else saved.model
    for name in OF_NETWORKS:
        own = getattr(network, name, None)
        if settings.get(name, own) != own:
            words = name.replace("_", " ")
            raise UserError(
                f"{printable(str(folder))} holds {asked}, whose {words} is {own}: leave {flag_name(name)} out."
            )
    return saved


def _of_file(
    task: Task, config: Config, file: Path, images: jax.Array, *, classifier: bool
) -> tuple[Config, nn.Module, Any, int]:
    """The settled configuration, the network for as many classes as the weights are of, its variables, that number."""
    if config.stem is None and config.pretrained == TORCHVISION and models.has_stem(config.model):
        config = dataclasses.replace(config, stem="imagenet")
    anyhow = task.model(dataclasses.replace(config, stem=_any_stem(config)), num_classes=ANY)
    held = contents(file, config.weights_key)
    count = classes_in(held, anyhow, images)
    if count is None and classifier:
        if names := replaced_classifier(held, anyhow, images):
            raise UserError(
                f"{printable(str(file))} has a classifier of other layers than {config.model}'s: {names}. Train one "
                "anew on the rest: --pretrained in training."
            )
        if (other := whose(held, anyhow)) is not None:
            raise UserError(f"{printable(str(file))} is of another network than {config.model}. {other}")
        raise UserError(
            f"{printable(str(file))} has no classifier: its network says nothing of classes. Train one on it "
            f"(jaxdl {TRAINED_BY[task.name]} --pretrained), or take a file that has one."
        )
    count = count or 2
    config = fitted_to_weights(config, num_classes=count, image=images.shape[1:])
    model = task.model(config, num_classes=count)
    variables, anew = loaded(config, model, None, images)
    lacking = [layer for layer in anew if not is_auxiliary(layer)]
    if lacking and classifier:
        raise UserError(
            f"{printable(str(file))} has no {', '.join(lacking)} that fits {counted(count, 'class', 'classes')}: its "
            "network classifies nothing without training."
        )
    return config, model, variables, count


def _any_stem(config: Config) -> str | None:
    """Either stem, of networks that have a choice: the classifier is the same."""
    return config.stem or "imagenet" if models.has_stem(config.model) else None


def _classes(task: Task, config: Config, count: int, *, listed: str | None) -> tuple[str, ...]:
    """Names of the logits; of weights that nobody knows, numbers."""
    if listed is not None:
        return _listed(Path(listed), count)
    known = preprocessing.of_weights(config.pretrained, config.model)
    if known is not None and known.classes is not None and len(known.classes) == count:
        return known.classes
    if count in (usual := task.usual_classes(config)):
        whose, names = usual[count]
        print(f"note     {count:,} classes: taken for {whose}'s; --classes FILE names others", flush=True)
        return names
    print(f"note     {count:,} classes without names; --classes FILE names them", flush=True)
    return tuple(f"class {index}" for index in range(count))


def _listed(path: Path, count: int) -> tuple[str, ...]:
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            raise OSError("it is not a file")
        with path.open(encoding="utf-8-sig") as file:
            names = tuple(line.strip() for line in file.read(MOST_LETTERS).splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {printable(str(path))} ({error}).") from error
    if len(names) != count:
        raise UserError(
            f"{printable(str(path))} names {counted(len(names), 'class', 'classes')}; the weights have {count:,}."
        )
    if len(set(names)) < count:
        raise UserError(f"{printable(str(path))} names a class twice, which nothing could tell apart.")
    return names
