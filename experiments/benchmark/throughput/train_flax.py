"""Training as the first page of Flax's and optax's documentation has it: linen's layers, one jitted step."""

import math
from collections import deque
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmark import jax_device
from experiments.benchmark.contestant import Job
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.throughput import synthetic
from jaxdl.data import pipeline
from jaxdl.data.dataset import Split

AHEAD = 4  # steps queued on the device, as many as our loop queues on an accelerator
DTYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16}


class Training:
    """The same network, data, loss and optimizer without anything of this project in the step."""

    waiting_for_data = None

    def __init__(self, task: Job):
        self.batch_size = task.batch_size
        network = NETWORKS[task.model]
        split = synthetic.training_split(network, task.batch_size)
        split = Split(synthetic.normalized(split.images), split.labels.astype(np.int32))
        self._batch_at = partial(pipeline.train_batch, split, batch_size=task.batch_size, seed=0)
        model = network.flax(DTYPES[task.precision])
        optimizer = optax.sgd(synthetic.LEARNING_RATE, momentum=synthetic.MOMENTUM)
        variables = jax.jit(partial(model.init, train=False))(jax.random.key(0), split.images[:1])
        params, statistics = variables["params"], variables.get("batch_stats", {})
        self._state, self._steps = (params, statistics, optimizer.init(params)), 0
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
        self.device, self.threads = jax_device.words(), jax_device.threads()

        def loss_of(params, statistics, images, labels):
            variables = {"params": params, "batch_stats": statistics}
            logits, changed = model.apply(variables, images, train=True, mutable=["batch_stats"])
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), changed.get("batch_stats", {})

        @partial(jax.jit, donate_argnums=0)
        def train_step(state, images, labels):
            params, statistics, opt_state = state
            differentiate = jax.value_and_grad(loss_of, has_aux=True)
            (loss, statistics), gradients = differentiate(params, statistics, images, labels)
            updates, opt_state = optimizer.update(gradients, opt_state, params)
            return (optax.apply_updates(params, updates), statistics, opt_state), loss

        self._train_step = train_step

    def run(self, steps: int) -> None:
        waiting: deque[jax.Array] = deque()
        for _ in range(steps):
            batch = self._batch_at(self._steps)
            self._state, loss = self._train_step(self._state, batch["images"], batch["labels"])
            self._steps += 1
            waiting.append(loss)
            if len(waiting) > AHEAD:
                waiting.popleft().block_until_ready()
        jax.block_until_ready(self._state)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {self._steps}")

    def device_bytes(self) -> int | None:
        return jax_device.bytes_used()
