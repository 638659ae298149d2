"""A recipe of this project, as a run builds it."""

import dataclasses
from collections.abc import Iterator

import jax

from experiments.benchmark import jax_device
from experiments.benchmark.accuracy import learning
from experiments.benchmark.contestant import Job
from jaxdl.cpu import memory
from jaxdl.run.build import build, for_evaluation
from jaxdl.run.config import Config
from jaxdl.run.evaluating import batches_of
from jaxdl.run.input import feed
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.train import parallel
from jaxdl.train.finite import NotFiniteError
from jaxdl.train.history import History
from jaxdl.train.loop import evaluate, fit
from jaxdl.train.state import parameter_count


class Recipe:
    """The whole training split trains, as with ``--val-size 0``; checkpoints and the log are left out."""

    def __init__(self, task: Job):
        memory.keep_freed()
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
        self._training = training = build(self._config, self._dataset, self._devices)
        self._state, self.parameters = training.state, parameter_count(training.state.params)
        self._eval_step = self._devices.compile(training.step_functions.eval)
        with feed(training, start=0) as fed:
            for due in learning.half_epochs(training.steps_per_epoch, training.steps):
                try:
                    self._state = fit(
                        self._state,
                        fed.train_step,
                        fed.batch_at,
                        steps_per_call=fed.steps_per_call,
                        steps=due,
                        steps_per_epoch=training.steps_per_epoch,
                        learning_rate=training.learning_rate,
                        history=self._history,
                    )
                except NotFiniteError:
                    return
                jax.block_until_ready(self._state)
                yield due / training.steps_per_epoch

    def accuracy(self) -> float:
        with batches_of(self._dataset.test, self._devices, "testing") as batches:
            return evaluate(self._eval_step, for_evaluation(self._state, self._config), batches).means()["accuracy"]


def shortened(config: Config, epochs: int) -> Config:
    """The recipe in so many epochs; what else it counts in epochs, its warm-up say, takes the same share of them."""
    counted = {name: value for name, value in vars(config).items() if name.endswith("_epochs") and value is not None}
    shares = {name: value * epochs / config.epochs for name, value in counted.items()}
    return dataclasses.replace(config, epochs=epochs, steps=None, **shares)
