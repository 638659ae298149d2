"""One device or several: placement of states and batches, and compilation of steps."""

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdl.errors import UserError
from jaxdl.train.batch_checks import check_batch
from jaxdl.train.gradients import Batch
from jaxdl.train.parallel.rows import fill, rows_of, up_to_multiple
from jaxdl.train.parallel.typed_keys import fetched, unwrap_keys, wrap_keys
from jaxdl.train.step import TrainStep

Step = Callable[[Any, Batch], Any]


class PlacedBatch(dict):
    """Arrays on the devices, of which the first ``examples`` rows are the batch and the rest is padding."""

    def __init__(self, arrays: Mapping[str, jax.Array], examples: int):
        super().__init__(arrays)
        self.examples = examples


class Compiled:
    """``step(state, batch)`` for a placed batch; ``lower`` gives its programs, before XLA compiles them.

    check: called with each batch before; raises UserError.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        lower: Callable[..., list[jax.stages.Lowered]],
        *,
        check: Callable[[Batch], None] = lambda batch: None,
    ):
        self._run, self.lower, self._check = run, lower, check

    def __call__(self, state: Any, batch: PlacedBatch) -> Any:
        self._check(batch)
        return self._run(state, batch)


def _on_the_host() -> AbstractContextManager:
    """A context in which arrays are made by the processor, where XLA compiles fastest, whatever the accelerator."""
    if jax.default_backend() == "cpu":
        return contextlib.nullcontext()
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # of JAX_PLATFORMS that names accelerators alone
        return contextlib.nullcontext()


class Single:
    """One device."""

    kind = "single"

    def __init__(self, device: jax.Device):
        self.devices = [device]

    def __str__(self) -> str:
        return "single"

    def put(self, tree: Any) -> Any:
        """A copy of ``tree``, placed on the device for the step; the step may donate it."""
        return jax.device_put(tree, self.devices[0], may_alias=False)

    def make(self, function: Callable[[], Any]) -> Any:
        """Result of ``function()``, computed on the host and placed as by ``put``."""
        with _on_the_host():
            result = function()
        return self.put(result)

    def fetch(self, tree: Any) -> Any:
        """The whole of ``tree`` on the host, as numpy's arrays; keys stay keys. The same in every process."""
        return fetched(tree)

    def padded(self, examples: int) -> int:
        """Number of rows of a batch of ``examples``, padding included."""
        return examples

    def share(self, rows: int) -> slice:
        """The rows of a batch, padding included, that this process has to pass to ``place``."""
        return slice(0, rows)

    def place(self, batch: Batch, *, examples: int | None = None) -> PlacedBatch:
        """``batch`` on the device."""
        check_batch(batch)
        return PlacedBatch(jax.device_put(dict(batch), self.devices[0]), examples or rows_of(batch))

    def compile(self, step: Step, *, donate: bool = False) -> Step:
        """``step`` as it is, jitted if it was not."""
        jitted = step if hasattr(step, "__wrapped__") else jax.jit(step, donate_argnums=0 if donate else ())
        return Compiled(
            lambda state, batch: jitted(state, dict(batch)), lambda state, batch: [jitted.lower(state, dict(batch))]
        )


class MultiDevice:
    """Several devices, of this process or of all: a mesh, and the axes over which a batch's rows are divided."""

    def __init__(self, mesh: Mesh):
        self.mesh = mesh
        self.devices = list(mesh.devices.flat)
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.by_rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names))

    def __str__(self) -> str:
        return self.kind

    def sharding(self, leaf: Any) -> NamedSharding:
        """Sharding of a leaf of the state: replicated on every device."""
        return self.whole

    def put(self, tree: Any) -> Any:
        """A copy of ``tree``, placed on the devices for the step, the same in every process; the step may donate it."""
        return wrap_keys(jax.tree.map(self._put, unwrap_keys(tree)))

    def make(self, function: Callable[[], Any]) -> Any:
        """Result of ``function()``, computed on the host and placed as by ``put``."""
        with _on_the_host():
            result = function()
        return self.put(result)

    def fetch(self, tree: Any) -> Any:
        """The whole of ``tree`` on the host, as numpy's arrays; keys stay keys. The same in every process."""
        return fetched(tree)

    def padded(self, examples: int) -> int:
        """Number of rows of a batch of ``examples``, padded to equally many on each device."""
        return up_to_multiple(examples, len(self.devices))

    def share(self, rows: int) -> slice:
        """The rows of a batch, padding included, that this process has to pass to ``place``."""
        each = rows // jax.process_count()
        return slice(jax.process_index() * each, (jax.process_index() + 1) * each)

    def place(self, batch: Batch, *, examples: int | None = None) -> PlacedBatch:
        """``batch`` divided among the devices.

        With one process, ``batch`` is the whole batch; rows that do not divide evenly are padded with zeros, where
        ``mask: bool[rows]`` is False. With several processes, it is this process's ``share`` of the padded batch, and
        ``examples`` is the number of rows of the whole that are not padding.
        """
        check_batch(batch)
        several = jax.process_count() > 1
        rows = rows_of(batch)
        examples = examples or rows * jax.process_count()
        if not several:
            batch = fill(dict(batch), self.padded(rows), np)
        elif rows * jax.process_count() != self.padded(examples):
            raise UserError(
                f"each of {jax.process_count()} processes must place {self.padded(examples) // jax.process_count()} "
                f"rows of a batch of {examples}, got {rows}."
            )
        return PlacedBatch({name: self._place(np.asarray(array)) for name, array in batch.items()}, examples)

    def _place(self, rows: np.ndarray) -> jax.Array:
        return jax.make_array_from_process_local_data(self.by_rows, rows)

    def _put(self, leaf: Any) -> jax.Array:
        sharding = self.sharding(leaf)
        if sharding.is_fully_addressable:
            return jax.device_put(jnp.copy(leaf), sharding)  # one of several devices may have the array itself
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)

    def _prepare(self, step: TrainStep, key: jax.Array, number: jax.Array, batch: Batch, examples: int) -> Batch:
        """Batch prepared by ``step.prepare`` without its padding, then padded so that every part of it divides."""
        if rows_of(batch) != examples:
            batch = {name: array[:examples] for name, array in batch.items()}
        batch = step.prepare(key, number, batch)
        batch = fill(batch, up_to_multiple(examples, len(self.devices) * step.parts), jnp)
        return jax.lax.with_sharding_constraint(batch, self.by_rows)
