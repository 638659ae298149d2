"""A recipe of this project, put together as ``experiments.cifar`` does."""

import dataclasses
import sys
from collections.abc import Iterator
from functools import partial

import jax

from experiments import host_memory
from experiments.augmentation import augmentation_of, mix_of, views_of
from experiments.benchmark import jax_device
from experiments.benchmark.accuracy import learning
from experiments.benchmark.contestant import Task
from experiments.config import Config
from experiments.feeding import feeding
from experiments.network import model_of
from experiments.optimization import optimizer_of, schedule_of, steps_of
from experiments.recipes import RECIPES, adapt
from jaxdl import losses, metrics, optim
from jaxdl.data import augment, pipeline
from jaxdl.data.dataset import channel_statistics
from jaxdl.data.prefetch import Prefetch
from jaxdl.train import parallel
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.loop import History, NotFiniteError, evaluate, fit
from jaxdl.train.state import TrainState, create_state, parameter_count
from jaxdl.train.step import make_train_step
from jaxdl.variables import depth_of

GROUPS = 24  # layer groups whose gradients are measured, as in a run
SAMPLE = 2000  # images that a layer initialised from data sees, as in a run
EVAL_BATCH = 500


class Recipe:
    """The whole training split trains, as with ``--val-size 0``; checkpoints and the log are left out."""

    def __init__(self, task: Task):
        host_memory.keep_freed()
        self._dataset = learning.dataset(task)
        config = dataclasses.replace(RECIPES[task.program], val_size=0, precision=task.precision, seed=task.seed)
        if task.epochs:
            config = shortened(config, task.epochs)
        self._config = adapt(config, self._dataset, frozenset())
        self._devices, self._history = parallel.single(), History()
        self.device, self.threads = jax_device.words(), jax_device.threads()
        self.parameters, self.batch_size = None, self._config.batch_size

    @property
    def waiting_for_data(self) -> float:
        return self._history.waiting_for_data

    def training(self) -> Iterator[float]:
        config, train, devices = self._config, self._dataset.train, self._devices
        mean, std = channel_statistics(train.images) if config.normalize else ((0.0,), (1.0,))
        steps_per_epoch = pipeline.steps_per_epoch(len(train), config.batch_size)
        steps = min(steps_of(config, steps_per_epoch), config.steps or sys.maxsize)
        classes = len(self._dataset.classes)
        model, learning_rate = model_of(config, num_classes=classes), schedule_of(config, steps_per_epoch)
        optimizer = optimizer_of(config, learning_rate)
        prepare = partial(augment.normalize, mean=mean, std=std)
        key, sample = jax.random.key(config.seed), prepare(train.images[:SAMPLE])
        self._state = devices.make(partial(create_state, model, optimizer, key, sample))
        self.parameters = parameter_count(self._state.params)
        train_step = make_train_step(
            model,
            optimizer,
            partial(losses.cross_entropy, label_smoothing=config.label_smoothing),
            augment=augmentation_of(config, mean=mean, std=std),
            mix=mix_of(config, num_classes=classes),
            accumulate=config.accumulate,
            skip_not_finite=config.on_nan == "skip",
            metrics={"accuracy": metrics.correct},
            gradient_metrics=partial(
                metrics.gradient_health, depth=depth_of({"params": self._state.params}, most=GROUPS)
            ),
        )
        accuracy = {"accuracy": metrics.correct}
        eval_step = make_eval_step(
            model, losses.cross_entropy, prepare=prepare, views=views_of(config), metrics=accuracy
        )
        self._eval_step = devices.compile(eval_step)
        batches = {"batch_size": config.batch_size, "seed": config.seed}
        with feeding(train_step, train, config=config, devices=devices, start=0, stop=steps, **batches) as fed:
            for due in learning.half_epochs(steps_per_epoch, steps):
                try:
                    self._state = fit(
                        self._state,
                        fed.train_step,
                        fed.batch_at,
                        steps_per_call=fed.steps_per_call,
                        steps=due,
                        steps_per_epoch=steps_per_epoch,
                        learning_rate=learning_rate,
                        history=self._history,
                    )
                except NotFiniteError:
                    return
                jax.block_until_ready(self._state)
                yield due / steps_per_epoch

    def accuracy(self) -> float:
        test, state = self._dataset.test, _evaluated(self._state, self._config)
        size = min(EVAL_BATCH, len(test))
        batch_at, count = partial(pipeline.eval_batch, test, batch_size=size), pipeline.eval_steps(len(test), size)
        put = partial(self._devices.place, examples=size)
        with Prefetch(batch_at, start=0, stop=count, put=put) as placed:
            return evaluate(self._eval_step, state, map(placed, range(count))).means()["accuracy"]


def shortened(config: Config, epochs: int) -> Config:
    """The recipe in so many epochs; what else it counts in epochs, its warm-up say, takes the same share of them."""
    counted = {name: value for name, value in vars(config).items() if name.endswith("_epochs") and value is not None}
    shares = {name: value * epochs / config.epochs for name, value in counted.items()}
    return dataclasses.replace(config, epochs=epochs, steps=None, **shares)


def _evaluated(state: TrainState, config: Config) -> TrainState:
    return state if config.ema is None else state.replace(params=optim.ema_params(state.opt_state))
