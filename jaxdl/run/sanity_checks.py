"""``--check``: a look at the data and the network before any training."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import flax.linen as nn
import jax
import numpy as np
from tqdm import tqdm

from jaxdl import losses, metrics, optim
from jaxdl.data.dataset import Dataset, Split
from jaxdl.report import checks
from jaxdl.report.checks import Check
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import TrainState, create_state
from jaxdl.train.step import make_train_step

IMAGES = 32  # of the batch that is learned by heart
UPDATES = 200  # in which it is to be
SAMPLE = 500  # images that the first loss is taken over
RATE = 1e-3  # Adam's own, whatever the run is to use: the network is on trial


def before_training(
    model: nn.Module,
    state: TrainState,
    dataset: Dataset,
    train: Split,
    val: Split | None,
    *,
    prepare: Callable[[jax.Array], jax.Array],
    freeze: Sequence[str],
    loaded: bool,
) -> Iterator[Check]:
    """Each check as it is done. state: as training would begin with it. freeze: patterns of what is not trained.
    loaded: whether weights were read from a file."""
    splits = {"train": train, **({"val": val} if val else {}), "test": dataset.test}
    yield checks.labels(splits, dataset.classes)
    if isinstance(dataset.test.images, np.ndarray):
        yield checks.repeated(dataset.train, dataset.test)
    sample = train.take(np.random.default_rng(0).permutation(len(train))[:SAMPLE])
    yield checks.inputs(np.asarray(prepare(sample.images)))
    batch = {"images": sample.images, "labels": sample.labels}
    first = make_eval_step(model, losses.cross_entropy, prepare=prepare)(state, batch)
    yield checks.first_loss(float(first["loss"].value), len(dataset.classes), loaded=loaded)
    yield _one_batch(model, state, sample.take(range(min(IMAGES, len(sample)))), prepare, freeze, len(dataset.classes))


def print_checks(found: Iterable[Check]) -> int:
    """A line for each as it is done; returns the exit status, 1 if one is worth a look."""
    fine = True
    for check in found:
        print(f"{'ok  ' if check.fine else 'LOOK'}  {check.name:<12} {check.said}", flush=True)
        fine = fine and check.fine
    return 0 if fine else 1


def _one_batch(
    model: nn.Module,
    state: TrainState,
    few: Split,
    prepare: Callable[[jax.Array], jax.Array],
    freeze: Sequence[str],
    classes: int,
) -> Check:
    optimizer = optim.create("adam", learning_rate=RATE)
    step = make_train_step(
        model,
        optimizer,
        losses.cross_entropy,
        augment=lambda key, images: prepare(images),
        metrics={"accuracy": metrics.correct},
    )
    images = prepare(few.images)
    trained = create_state(model, optimizer, state.key, images, variables=state.variables, freeze=freeze)
    batch = {"images": few.images, "labels": few.labels}
    judge, first = partial(checks.one_batch, images=len(few), classes=classes), None
    with Heartbeat("learning one batch"):
        for update in tqdm(range(1, UPDATES + 1), "learning one batch", delay=2, leave=False, disable=None):
            trained, measured = step(trained, batch)
            loss, accuracy = float(measured["loss"].value), float(measured["accuracy"].value)
            if freeze:
                first = loss if first is None else first
            if (found := judge(loss, accuracy, updates=update)).fine:
                break
    return found if found.fine else judge(loss, accuracy, updates=update, frozen_from=first)
