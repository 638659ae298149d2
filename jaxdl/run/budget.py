"""As many epochs as fit into a time on this machine: ``--budget 5m``."""

import dataclasses
import math
import statistics
import time
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError
from jaxdl.processes import from_first
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run.build import build
from jaxdl.run.config import Config
from jaxdl.run.duration import seconds_of
from jaxdl.run.evaluating import evaluated
from jaxdl.run.flags import flag_name
from jaxdl.run.input import feed
from jaxdl.run.task import Task
from jaxdl.run.training import Training
from jaxdl.train import parallel
from jaxdl.train.loop import fit
from jaxdl.wording import counted

UPDATES = 100  # that are measured; more where the faster program of the step takes over later
AFTER_TAKEOVER = 30  # updates by it
EVALUATED = 1000  # training images, for the speed of evaluation
SHARE = 0.1  # of the budget, after which measuring ends
SPARE = 0.03  # of the budget, for a machine that is not always as fast
IN_EPOCHS = ("warmup_epochs", "decay_epochs", "whiten_bias_epochs")  # settings that are a share of the training


class Speed(NamedTuple):
    """Seconds on this machine: of an update, of evaluating an image, and from the beginning to the first update."""

    update: float
    evaluation: float
    start: float


def within_budget(
    config: Config,
    dataset: Dataset,
    devices: parallel.Devices,
    *,
    given: frozenset[str],
    began: float,
    task: Task,
) -> Config:
    """``config`` with as many epochs as ``budget`` holds, and what is a share of the training changed in proportion.

    The first updates of the training are made and thrown away: the run is then that of ``--epochs`` with the number
    found. given: names of the flags that stay as they are. began: the ``time.monotonic`` from which the budget counts.
    Raises UserError where not even one epoch fits.
    """
    budget = seconds_of(config.budget)
    print(f"budget   {config.budget}: measuring how many epochs fit, by some {UPDATES} updates", flush=True)
    with Heartbeat("measuring", on_terminal=True):
        training = build(config, dataset, devices, task=task)
        speed = measured(training, seconds=SHARE * budget)
    left = (1 - SPARE) * budget - (time.monotonic() - began) - speed.start - len(dataset.test) * speed.evaluation
    an_epoch = training.steps_per_epoch * speed.update + len(training.val or ()) * speed.evaluation
    left, an_epoch = from_first([left, an_epoch])
    epochs = math.floor(10 * left / an_epoch) / 10
    if epochs < 1:
        needed = math.ceil((budget - left + an_epoch) / (1 - SPARE))
        raise UserError(
            f"--budget {config.budget} is too little: an epoch takes about {an_epoch:.1f} s here, and one with its "
            f"start and its test about {needed} s."
        )
    changes: dict[str, Any] = {"epochs": epochs}
    unused = () if config.schedule == "step" else ("decay_epochs",)
    for name in IN_EPOCHS:
        if name not in (*given, *unused) and getattr(config, name):
            changes[name] = float(f"{getattr(config, name) * epochs / config.epochs:.3g}")
    flags = " ".join(f"{flag_name(name)} {value:.12g}" for name, value in changes.items())
    print(
        f"         {counted(epochs, 'epoch')} of about {an_epoch:.1f} s here; the same run: {flags}",
        flush=True,
    )
    return dataclasses.replace(config, **changes)


def measured(training: Training, *, seconds: float) -> Speed:
    """The speed of ``training``, by some hundred updates of it, or as many as are made in so many seconds."""
    began, times = time.monotonic(), []
    takes_over = training.takeover.at if training.takeover else 0
    steps = min(max(UPDATES, takes_over + AFTER_TAKEOVER if takes_over < training.steps else 0), training.steps)
    with feed(training, start=0, stop=steps) as fed:
        state = fit(
            training.state,
            fed.train_step,
            fed.batch_at,
            steps_per_call=fed.steps_per_call,
            steps=steps,
            steps_per_epoch=steps + 1,  # no epoch ends
            log_every=None,
            on_step=lambda step, history: times.append((step, time.monotonic())),
            should_stop=lambda: bool(times) and jax.process_count() == 1 and time.monotonic() > times[0][1] + seconds,
        )
    sample = training.train.take(np.arange(min(EVALUATED, len(training.train))))
    evaluated(training, state, sample, doing="measuring")  # compiles
    before = time.monotonic()
    evaluated(training, state, sample, doing="measuring")
    return Speed(_update(times), (time.monotonic() - before) / len(sample), times[0][1] - began)


def _update(times: list[tuple[int, float]]) -> float:
    """Seconds of an update by its end's time, of the last third of the updates: updates of one call end together."""
    ends = sorted({when: step for step, when in times}.items())
    spans = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in pairwise(ends)]
    return statistics.median(spans[-max(len(spans) // 3, 1) :]) if spans else ends[0][0]
