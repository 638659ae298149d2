"""This project's input: batches gathered from memory, changed and normalised by one compiled function."""

from collections import deque
from functools import partial

import jax

from experiments.benchmark import jax_device
from experiments.benchmark.contestant import Job
from experiments.benchmark.throughput import synthetic
from jaxdl.cpu import memory
from jaxdl.data import augment, pipeline
from jaxdl.data.prefetch import Prefetch
from jaxdl.train.loop import AHEAD

EXAMPLES = 10_000


class Input:
    """In training the same transform is a part of the step; here it runs by itself."""

    parameters = waiting_for_data = None

    def __init__(self, task: Job):
        memory.keep_freed()
        self.batch_size, self._steps = task.batch_size, 0
        split = synthetic.split(max(EXAMPLES, task.batch_size))
        self._batch_at = partial(pipeline.train_batch, split, batch_size=task.batch_size, seed=0)
        self.device, self.threads = jax_device.words(), jax_device.threads()
        transform = augment.pipeline(mean=synthetic.MEAN, std=synthetic.STD, flip_images=True, crop_padding=4)
        self._transform = jax.jit(lambda key, step, images: transform(jax.random.fold_in(key, step), images))
        self._key = jax.random.key(0)

    def run(self, steps: int) -> None:
        waiting: deque[jax.Array] = deque()
        first, self._steps = self._steps, self._steps + steps
        with Prefetch(self._batch_at, start=first, stop=self._steps, put=jax.device_put) as placed:
            for step in range(first, self._steps):
                waiting.append(self._transform(self._key, step, placed(step)["images"]))
                if len(waiting) > AHEAD:
                    waiting.popleft().block_until_ready()
            jax.block_until_ready(list(waiting))

    def device_bytes(self) -> int | None:
        return jax_device.bytes_used()
