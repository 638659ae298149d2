"""``--check``: a look at the data and the network before any training."""

import math
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
from tqdm import tqdm

from jaxdl import optim
from jaxdl.data.dataset import Dataset, Split
from jaxdl.report import checks
from jaxdl.report.checks import Check
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run.build import at_once
from jaxdl.run.training import Training
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step

IMAGES = 32  # of the batch that is learned by heart; of large ones fewer,
PIXELS = 2**19  # so that they have about so many
UPDATES = 200  # in which it is to be
SAMPLE = 500  # images, at most, that the first loss is taken over
RATE = 1e-3  # Adam's own, whatever the run is to use: the network is on trial


def before_training(training: Training, dataset: Dataset) -> Iterator[Check]:
    """Each check as it is done, of the network as training would begin with it."""
    model, train, classes = training.model, training.train, len(dataset.classes)
    splits = {"train": train, **({"val": training.val} if training.val else {}), "test": dataset.test}
    yield checks.labels(splits, dataset.classes)
    if isinstance(dataset.test.images, np.ndarray):
        yield checks.repeated(dataset.train, dataset.test)
    sample = train.take(np.random.default_rng(0).permutation(len(train))[: at_once(train, SAMPLE)])
    yield checks.inputs(np.asarray(training.prepare(sample.images)))
    batch = {"images": sample.images, "labels": sample.labels}
    first = make_eval_step(model, training.task.eval_loss, prepare=training.prepare)(training.state, batch)
    loaded = training.config.pretrained is not None
    yield checks.first_loss(float(first["loss"].value), classes, loaded=loaded)
    few = min(IMAGES, len(sample), max(PIXELS // math.prod(sample.images.shape[1:3]), 1))
    yield _one_batch(training, sample.take(range(few)), classes)


def print_checks(found: Iterable[Check]) -> int:
    """A line for each as it is done; returns the exit status, 1 if one is worth a look."""
    fine = True
    for check in found:
        print(f"{'ok  ' if check.fine else 'LOOK'}  {check.name:<12} {check.said}", flush=True)
        fine = fine and check.fine
    return 0 if fine else 1


def _one_batch(training: Training, few: Split, classes: int) -> Check:
    model, task, freeze = training.model, training.task, training.freeze
    optimizer = optim.create("adam", learning_rate=RATE)
    step = make_train_step(
        model,
        optimizer,
        task.loss(training.config),
        augment=lambda key, images: training.prepare(images),
        metrics={**task.metrics, "eval_loss": task.eval_loss},
    )
    images, state = training.prepare(few.images), training.state
    trained = create_state(model, optimizer, state.key, images, variables=state.variables, freeze=freeze)
    batch = {"images": few.images, "labels": few.labels}
    judge, first = partial(checks.one_batch, images=len(few), classes=classes), None
    with Heartbeat("learning one batch"):
        for update in tqdm(range(1, UPDATES + 1), "learning one batch", delay=2, leave=False, disable=None):
            trained, measured = step(trained, batch)
            loss, accuracy = float(measured["eval_loss"].value), float(measured["accuracy"].value)
            if freeze:
                first = loss if first is None else first
            if (found := judge(loss, accuracy, updates=update)).fine:
                break
    return found if found.fine else judge(loss, accuracy, updates=update, frozen_from=first)
