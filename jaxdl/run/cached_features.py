"""Training of a classifier on features: images go through the frozen network once, not in every epoch."""

import dataclasses

import jax
import numpy as np

from jaxdl.data.dataset import Split
from jaxdl.errors import UserError
from jaxdl.run.build import step_functions
from jaxdl.run.config import Config
from jaxdl.run.evaluating import batches_of
from jaxdl.run.training import Evaluation, Training
from jaxdl.train.eval_step import make_predict_step
from jaxdl.train.loop import predict
from jaxdl.train.state import TrainState
from jaxdl.transfer.features import FromClassifierInput, classifier_input

# What would have every epoch see other images, and the values by which nothing does.
OFF = {
    **dict.fromkeys(("flip", "alternate_flips", "test_flip", "test_crops"), False),
    **{"crop_padding": 0, "crop_scale": 1.0, "cutout": 0, "mixup": 0.0, "cutmix": 0.0},
}


def unaugmented(config: Config, given: frozenset[str]) -> Config:
    """``config`` without augmentation; raises UserError where a flag asks for some, or for more than the classifier."""
    if config.freeze != "backbone":
        raise UserError("--cache-features is for a frozen network: add --freeze backbone.")
    for name, value in OFF.items():
        if name in given and getattr(config, name) != value:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"{flag} changes images, and --cache-features shows each to the network once; give one.")
    return dataclasses.replace(config, **OFF)


def on_features(training: Training, test: Split, state: TrainState) -> tuple[Training, Split]:
    """The training and the split to test on with features in place of images, float32[N, 1, 1, features].

    state: with the network's parameters, those of the backbone as they stay. Raises UserError for several devices, and
    for a network with more classifiers than one or one that sees places.
    """
    config, devices, model = training.config, training.devices, training.model
    if devices.kind != "single":
        raise UserError(f"--cache-features is for one device, not for {devices}: add --parallel single.")
    image = tuple(training.train.images.shape[1:])
    network = classifier_input(model, jax.ShapeDtypeStruct((1, *image), np.float32))
    if len(network.classifier) != 1:
        raise UserError(f"--cache-features is for one classifier; the network has {', '.join(network.classifier)}.")
    of_images = devices.compile(make_predict_step(network, prepare=training.prepare))

    def features(split: Split, doing: str) -> Split:
        with batches_of(split, devices, doing) as batches:
            found = predict(of_images, state, batches, examples=len(split))
        return Split(found[:, None, None], split.labels)

    rest = FromClassifierInput(model, network.classifier, image)
    task = training.task._replace(
        augment=lambda config, **_: _same_of_key, prepare=_same, mix=lambda config, **_: None, views=lambda config: ()
    )
    about = {"mean": training.mean, "std": training.std, "num_classes": model.num_classes, "depth": training.depth}
    functions = step_functions(task, config, rest, training.optimizer, **about)
    val = None if training.val is None else features(training.val, "features to validate")
    size = training.evaluation.batch_size
    training = training._replace(
        train=features(training.train, "features to train"),
        val=val,
        step_functions=functions,
        evaluation=Evaluation(devices.compile(functions.eval_and_predict), size),
        takeover=None,
    )
    return training, features(test, "features to test")


def _same(images: jax.Array, **_: object) -> jax.Array:
    return images


def _same_of_key(key: jax.Array, images: jax.Array) -> jax.Array:
    return images
