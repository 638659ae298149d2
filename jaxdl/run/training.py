"""A training, wired: all that ``fit`` and an evaluation need."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import optax

from jaxdl.data.dataset import Split
from jaxdl.metrics import Mean
from jaxdl.run.config import Config
from jaxdl.run.optimization import LearningRate
from jaxdl.run.task import Task
from jaxdl.train import parallel
from jaxdl.train.eval_step import EvalStep, PredictStep
from jaxdl.train.state import TrainState
from jaxdl.train.step import TrainStep
from jaxdl.train.takeover import Takeover


class StepFunctions(NamedTuple):
    """The functions of a training, for one device, jitted but for ``gradient``; ``jaxdl.train`` describes them."""

    train: TrainStep
    gradient: Callable[..., Any]
    eval: EvalStep
    predict: PredictStep
    eval_and_predict: Callable[..., Any]


class Evaluation(NamedTuple):
    """Evaluation of a split, batch by batch, its metrics and its outputs by one program.

    step: (state, batch on the devices) -> (metrics, outputs). batch_size: images at once. begin: has the program
    compiled in a thread, where there is one.
    """

    step: Callable[[TrainState, Any], tuple[dict[str, Mean], jax.Array]]
    batch_size: int
    begin: Callable[[], None] = lambda: None


class Training(NamedTuple):
    """All that ``fit`` and an evaluation need.

    train, val: what is trained on, and what validates, None where nothing does. classes: their names. mean, std: of the
    channels, as the network sees them. state: before the first update, on the devices. steps: updates to make in all.
    step_functions: not yet compiled for the devices. takeover: the training step's two programs, where it takes batches
    on one device; that of the first update is being compiled. depth: of the layer names whose gradients are measured
    together; groups: these names, from the input to the output. freeze: patterns of what is not trained.
    """

    task: Task
    config: Config
    devices: parallel.Devices
    train: Split
    val: Split | None
    classes: Sequence[str]
    mean: Sequence[float]
    std: Sequence[float]
    model: nn.Module
    learning_rate: LearningRate
    optimizer: optax.GradientTransformation
    state: TrainState
    step_functions: StepFunctions
    steps: int
    steps_per_epoch: int
    takeover: Takeover | None
    evaluation: Evaluation
    depth: int
    groups: list[str]
    freeze: list[str]

    def prepare(self, images: jax.Array) -> jax.Array:
        """uint8[B, H, W, C] as the network sees it."""
        return self.task.prepare(images, mean=self.mean, std=self.std)
