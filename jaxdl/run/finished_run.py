"""A run's network as it was left: what evaluating, exporting or using it begins with."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl import initial_values
from jaxdl.checkpoint import Checkpoints
from jaxdl.data.framing import INTERPOLATIONS, STRETCHED, Framing
from jaxdl.errors import UserError
from jaxdl.run import compilation_cache, recorded
from jaxdl.run.build import for_evaluation, network_and_optimizer, step_functions
from jaxdl.run.config import Config
from jaxdl.run.network import frozen_patterns
from jaxdl.run.task import Task
from jaxdl.run.tasks import TASKS, USUAL
from jaxdl.run.training import StepFunctions
from jaxdl.train.state import TrainState, create_state
from jaxdl.wording import counted


class FinishedRun(NamedTuple):
    """A network, what it saw, and how it came about.

    state: without the optimizer's; parameters are averages if the run averaged them. record: ``config.json``.
    """

    model: nn.Module
    state: TrainState
    config: Config
    record: dict[str, Any]

    @property
    def variables(self) -> dict[str, Any]:
        """Variables for ``model.apply``."""
        return self.state.variables

    @property
    def step(self) -> int:
        """The updates made."""
        return int(self.state.step)

    @property
    def task(self) -> Task:
        """The task that it was trained for."""
        return TASKS[self.record.get("task", USUAL)]

    @property
    def told_updates(self) -> str:
        """Words behind the network's name on how long it was trained; none without a run."""
        return f" after {counted(self.step, 'update')}" if self.config.out else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the logits."""
        return tuple(self.record["classes"])

    @property
    def image(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        return tuple(self.record["image"])

    @property
    def framing(self) -> Framing:
        """How a picture becomes such an image."""
        interpolation = self.config.interpolation or INTERPOLATIONS[0]
        return Framing(self.image[0], self.config.resize or STRETCHED, interpolation)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the channels in [0, 1], as the network saw them."""
        return tuple(self.record["mean"])

    @property
    def std(self) -> tuple[float, ...]:
        """As ``mean``."""
        return tuple(self.record["std"])


def functions_of(run: FinishedRun, *, views: Sequence[Callable[[jax.Array], jax.Array]] | None = None) -> StepFunctions:
    """The steps of the run, as it made them.

    views: other versions of an image over which evaluation averages, in place of the run's own.
    """
    task = run.task if views is None else run.task._replace(views=lambda config: views)
    about = {"mean": run.mean, "std": run.std, "num_classes": len(run.classes)}
    return step_functions(task, run.config, run.model, optax.identity(), **about)


LAST, BEST = "last", "best"


def load(folder: str, *, checkpoint: str = LAST) -> FinishedRun:
    """The run in ``folder`` as a checkpoint has it.

    checkpoint: ``LAST``, the newest that is whole; ``BEST``, that of the highest validation accuracy; or the number of
    its updates. Raises UserError if there is no run, or none that has saved anything yet, or not this checkpoint.
    """
    compilation_cache.use()
    record, config = recorded.read_finished(folder)
    recorded.check_same_network(record, config.model, folder)
    model, _, optimizer = network_and_optimizer(
        config,
        num_classes=len(record["classes"]),
        image=tuple(record["image"]),
        steps_per_epoch=1,
        task=TASKS[record.get("task", USUAL)],
    )
    images = jnp.zeros((1, *record["image"]))
    freeze = frozen_patterns(config.freeze, model, images)
    shapes = initial_values.shapes(model, images)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    like = create_state(model, optimizer, jax.random.key(0), images, variables=zeros, freeze=freeze)
    with Checkpoints(Path(folder, "checkpoints")) as checkpoints:
        state, _ = checkpoints.restore(like, step=_step(checkpoints, checkpoint, folder))
    state = for_evaluation(state, config)
    config = dataclasses.replace(config, out=folder)  # it may have been moved
    return FinishedRun(model=model, state=state.replace(opt_state=()), config=config, record=record)


def _step(checkpoints: Checkpoints, checkpoint: str, folder: str) -> int | None:
    if checkpoint == LAST:
        return None
    if checkpoint != BEST:
        return int(checkpoint)
    if checkpoints.best_step is None:
        raise UserError(f"the run in {folder} has measured no checkpoint by validation; use --checkpoint {LAST}.")
    return checkpoints.best_step
