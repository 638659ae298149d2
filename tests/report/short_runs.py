"""Real runs of a few seconds, each built to be one of the cases that a diagnosis tells apart."""

import math
from functools import partial

import flax.linen as nn
import jax
import numpy as np

from jaxdl import losses, metrics, optim
from jaxdl.data import augment, pipeline, sources
from jaxdl.data.dataset import Split, train_val_split
from jaxdl.report.layers import layers
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.finite import NotFiniteError
from jaxdl.train.loop import evaluate, fit
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step


class Stack(nn.Module):
    """Images as vectors through linear layers of those widths."""

    widths: tuple[int, ...]
    activation: str = "relu"
    num_classes: int = 10

    @nn.compact
    def __call__(self, x, *, train):
        x = x.reshape(len(x), -1)
        for number, width in enumerate(self.widths):
            x = getattr(nn, self.activation)(nn.Dense(width, name=f"layer{number}")(x))
        return nn.Dense(self.num_classes, name="head")(x)


def digits():
    """scikit-learn's digits at their own 8 x 8 pixels: (train, val)."""
    whole = sources.load("digits").train
    small = Split(np.ascontiguousarray(whole.images[:, ::4, ::4]), whole.labels)
    return train_val_split(small, val_size=300, seed=0)


def shuffled(split, seed):
    """The images with one another's labels."""
    return Split(split.images, np.random.default_rng(seed).permutation(split.labels))


def run(model, train, val, *, lr=0.05, epochs=12, batch_size=50, optimizer="sgd", augmented=None, **options):
    """(records, groups, settings) of a run, as one of the command would log them."""
    prepare = partial(augment.normalize, mean=(0.3,), std=(0.38,))
    rates = optim.schedule("constant", learning_rate=lr, steps=1)
    update = optim.create(optimizer, learning_rate=rates, **options)
    step = make_train_step(
        model,
        update,
        losses.cross_entropy,
        augment=augmented or (lambda key, images: prepare(images)),
        metrics={"accuracy": metrics.correct},
        gradient_metrics=metrics.gradient_health,
    )
    measure = make_eval_step(model, losses.cross_entropy, prepare=prepare, metrics={"accuracy": metrics.correct})
    state = create_state(model, update, jax.random.key(0), prepare(train.images[:2]))
    per_epoch = pipeline.steps_per_epoch(len(train), batch_size)
    records = []
    try:
        fit(
            state,
            step,
            partial(pipeline.train_batch, train, batch_size=batch_size, seed=0),
            steps=epochs * per_epoch,
            steps_per_epoch=per_epoch,
            learning_rate=rates,
            validate=lambda state: evaluate(measure, state, pipeline.eval_batches(val, batch_size=len(val))).means(),
            on_record=records.append,
        )
    except NotFiniteError as error:
        records.append({"kind": "stopped", "reason": str(error)})
    assert all(math.isfinite(record["train_loss"]) for record in records if record["kind"] == "epoch")
    groups = [layer.name for layer in layers(model, train.images.shape[1:])]
    return records, groups, {"lr": lr, "epochs": epochs, "batch_size": batch_size, "optimizer": optimizer}
