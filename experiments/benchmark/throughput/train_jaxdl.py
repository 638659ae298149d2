"""This project's training, put together as ``experiments.cifar`` does."""

import sys
from functools import partial

import jax
import optax

from experiments import host_memory
from experiments.augmentation import augmentation_of
from experiments.benchmark import jax_device
from experiments.benchmark.contestant import Task
from experiments.benchmark.throughput import synthetic
from experiments.config import Config
from experiments.network import model_of
from experiments.optimization import optimizer_of
from jaxdl import losses, metrics
from jaxdl.data import augment, pipeline
from jaxdl.data.prefetch import Prefetch
from jaxdl.train import parallel
from jaxdl.train.loop import History, NotFiniteError, fit
from jaxdl.train.state import create_state, parameter_count
from jaxdl.train.step import make_train_step
from jaxdl.variables import depth_of

GROUPS = 24  # layer groups whose gradients are measured, as in a run
SAMPLE = 2000  # images that the first layer of quick_cnn is computed from, as in a run


class Training:
    """The loop, the step, its metrics and its queue of batches are those of a run; only validation, checkpoints and the
    log are left out."""

    def __init__(self, task: Task):
        host_memory.keep_freed()
        self.batch_size = task.batch_size
        config = Config(
            model=task.model,
            batch_size=task.batch_size,
            optimizer="sgd",
            momentum=synthetic.MOMENTUM,
            nesterov=False,
            precision=task.precision,
            flip=task.augment,
            crop_padding=4 if task.augment else 0,
        )
        split = synthetic.training_split(task.batch_size)
        self._batch_at = partial(pipeline.train_batch, split, batch_size=task.batch_size, seed=config.seed)
        self._devices = parallel.single()
        self._rate = optax.constant_schedule(synthetic.LEARNING_RATE)
        model, optimizer = model_of(config, num_classes=10), optimizer_of(config, self._rate)
        normalization = {"mean": synthetic.MEAN, "std": synthetic.STD}
        sample = augment.normalize(split.images[:SAMPLE], **normalization)
        key = jax.random.key(config.seed)
        self._state = self._devices.make(partial(create_state, model, optimizer, key, sample))
        self._history = History()
        step = make_train_step(
            model,
            optimizer,
            losses.cross_entropy,
            augment=augmentation_of(config, **normalization),
            metrics={"accuracy": metrics.correct},
            gradient_metrics=partial(
                metrics.gradient_health, depth=depth_of({"params": self._state.params}, most=GROUPS)
            ),
        )
        self._step = self._devices.compile(step)
        self.device, self.threads = jax_device.words(), jax_device.threads()
        self.parameters = parameter_count(self._state.params)

    def run(self, steps: int) -> None:
        first = int(self._state.step)
        put = partial(self._devices.place, examples=self.batch_size)
        with Prefetch(self._batch_at, start=first, stop=first + steps, put=put) as placed:
            try:
                self._state = fit(
                    self._state,
                    self._step,
                    placed,
                    steps=first + steps,
                    steps_per_epoch=sys.maxsize,
                    learning_rate=self._rate,
                    history=self._history,
                )
            except NotFiniteError as error:
                raise FloatingPointError(str(error)) from error
        jax.block_until_ready(self._state)

    @property
    def waiting_for_data(self) -> float:
        return self._history.waiting_for_data

    def device_bytes(self) -> int | None:
        return jax_device.bytes_used()
