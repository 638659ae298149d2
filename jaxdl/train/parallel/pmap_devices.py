"""``jax.pmap``."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxdl.cpu import convolution
from jaxdl.train.batch_checks import Check
from jaxdl.train.collectives import AXIS
from jaxdl.train.gradients import Batch
from jaxdl.train.parallel.devices import Compiled, MultiDevice, PlacedBatch, Step
from jaxdl.train.parallel.typed_keys import unwrap_keys, wrap_keys
from jaxdl.train.step import TrainStep


class Pmap(MultiDevice):
    """``jax.pmap``: a replica of the step and of the state on each device, sums taken over the axis "batch"."""

    kind = "pmap"

    def compile(self, step: Step, *, donate: bool = False) -> Step:
        """``step(state, batch)`` for what ``put`` and ``place`` return.

        A ``TrainStep`` donates its state. Any other function runs once per device, on its rows, and has to return the
        same on each: ``jaxdl.train.collectives.psum`` sums over them.
        """
        if not isinstance(step, TrainStep):
            check = getattr(step, "check", lambda batch: None)
            return self._pmapped(getattr(step, "__wrapped__", step), donate=donate, check=check)

        @partial(jax.jit, static_argnames="examples")
        def prepare(key: jax.Array, number: jax.Array, batch: Batch, examples: int) -> Batch:
            joined = {name: array.reshape(-1, *array.shape[2:]) for name, array in batch.items()}
            return self._divided(self._prepare(step, key, number, joined, examples))

        def prepared(prepare: Callable[..., Any], state: Any, batch: PlacedBatch) -> Any:
            return prepare(state.key, state.step, dict(batch), examples=batch.examples)

        update = self._pmapped(step.update, donate=True)
        return Compiled(
            lambda state, batch: update(state, prepared(prepare, state, batch)),
            lambda state, batch: [
                prepared(prepare.lower, state, batch),
                *update.lower(state, prepared(prepare, state, batch)),
            ],
            check=step.check_labels,
        )

    def _place(self, rows: np.ndarray) -> jax.Array:
        local = sum(device.process_index == jax.process_index() for device in self.devices)
        return super()._place(rows.reshape(local, -1, *rows.shape[1:]))

    def _divided(self, batch: Batch) -> Batch:
        count = len(self.devices)
        batch = {name: array.reshape(count, -1, *array.shape[1:]) for name, array in batch.items()}
        return jax.lax.with_sharding_constraint(batch, self.by_rows)

    def _pmapped(self, function: Step, *, donate: bool, check: Check = lambda batch: None) -> Step:
        @convolution.tracing(divided=True)
        def replica(state: Any, batch: Batch) -> Any:
            return unwrap_keys(function(wrap_keys(state), batch))

        replicas = jax.pmap(
            replica, AXIS, in_axes=(None, 0), out_axes=None, devices=self.devices, donate_argnums=0 if donate else ()
        )

        def run(state: Any, batch: Batch) -> Any:
            result = replicas(unwrap_keys(state), dict(batch))
            return wrap_keys(jax.tree.map(self._joined, result) if jax.process_count() > 1 else result)

        return Compiled(run, lambda state, batch: [replicas.lower(unwrap_keys(state), dict(batch))], check=check)

    def _joined(self, leaf: jax.Array) -> jax.Array:
        """This process's copies of a leaf as its part of one array of all processes."""
        copies = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, self.whole, copies)
