"""This project's training, as a run builds it."""

import sys

import jax

from experiments.benchmark import jax_device
from experiments.benchmark.contestant import Job
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.throughput import synthetic
from jaxdl.cpu import memory
from jaxdl.run.build import build
from jaxdl.run.input import feed
from jaxdl.run.tasks import CONFIGS, TASKS
from jaxdl.train import parallel
from jaxdl.train.finite import NotFiniteError
from jaxdl.train.history import History
from jaxdl.train.loop import fit
from jaxdl.train.state import parameter_count


class Training:
    """The loop, the step, its metrics and its queue of batches are those of a run; only validation, checkpoints and the
    log are left out."""

    def __init__(self, task: Job):
        memory.keep_freed()
        self.batch_size = task.batch_size
        network = NETWORKS[task.model]
        kind = "segmentation" if network.of_pixels else "classification"
        config = CONFIGS[kind](
            model=task.model,
            **network.settings,
            **({"min_scale": 1.0, "max_scale": 1.0} if network.of_pixels else {}),
            val_size=0,
            batch_size=task.batch_size,
            optimizer="sgd",
            lr=synthetic.LEARNING_RATE,
            schedule="constant",
            momentum=synthetic.MOMENTUM,
            nesterov=False,
            precision=task.precision,
            flip=task.augment,
            **({} if network.of_pixels else {"crop_padding": 4 if task.augment else 0}),
            resident=False,
        )
        start = task.subject == "start"  # else it is the step's speed that counts
        data = synthetic.dataset(network, task.batch_size)
        self._training = build(config, data, parallel.single(), task=TASKS[kind], compile_ahead=start)
        self._state, self._history = self._training.state, History()
        self.device, self.threads = jax_device.words(), jax_device.threads()
        self.parameters = parameter_count(self._state.params)

    def run(self, steps: int) -> None:
        first = int(self._state.step)
        with feed(self._training, start=first, stop=first + steps) as fed:
            try:
                self._state = fit(
                    self._state,
                    fed.train_step,
                    fed.batch_at,
                    steps=first + steps,
                    steps_per_epoch=sys.maxsize,
                    learning_rate=self._training.learning_rate,
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
