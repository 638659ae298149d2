"""``jit`` over a mesh of devices."""

from functools import partial
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import NamedSharding, PartitionSpec

from jaxdl.cpu import convolution
from jaxdl.train.gradients import GATHERED, Batch
from jaxdl.train.parallel.devices import Compiled, MultiDevice, Step
from jaxdl.train.step import TrainStep

LEAST_SHARDED = 4096  # leaves of fewer numbers are whole on every device


class MeshOfDevices(MultiDevice):
    """``jit`` over a mesh with the axes ``data`` and ``fsdp``: XLA divides the work as the arrays are divided.

    A batch's rows are divided over both axes. A large leaf of the state is divided over ``fsdp`` along its longest
    axis that divides, and gathered where the step uses it (Rajbhandari et al. 2020, stage 3).
    """

    kind = "mesh"

    def __str__(self) -> str:
        return "mesh " + ",".join(f"{name}={size}" for name, size in self.mesh.shape.items())

    def sharding(self, leaf: Any) -> NamedSharding:
        """Sharding of a leaf of the state: divided over ``fsdp``, or replicated if it is small or does not divide."""
        parts = self.mesh.shape["fsdp"]
        axes = [axis for axis, length in enumerate(leaf.shape) if length % parts == 0]
        if parts == 1 or not axes or leaf.size < LEAST_SHARDED:
            return self.whole
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*[None] * longest, "fsdp"))

    def compile(self, step: Step, *, donate: bool = False) -> Step:
        """``step(state, batch)`` for what ``put`` and ``place`` return.

        A ``TrainStep`` donates its state. Any other function is written as for a single device: it is given whole
        leaves, and its results are placed as by ``put``.
        """
        if isinstance(step, TrainStep):

            @partial(jax.jit, donate_argnums=0, static_argnames="examples")
            @convolution.tracing(divided=True)
            def train(state: Any, batch: Batch, examples: int) -> tuple[Any, Any]:
                batch = self._prepare(step, state.key, state.step, batch, examples)
                gather = self._gather if self.mesh.shape["fsdp"] > 1 else None
                return self._laid_out(step.update(state, batch, gather=gather))

            return Compiled(
                lambda state, batch: train(state, dict(batch), examples=batch.examples),
                lambda state, batch: [train.lower(state, dict(batch), examples=batch.examples)],
                check=step.check_labels,
            )
        pure = getattr(step, "__wrapped__", step)

        @partial(jax.jit, donate_argnums=0 if donate else ())
        @convolution.tracing(divided=True)
        def run(state: Any, batch: Batch) -> Any:
            return self._laid_out(pure(jax.lax.with_sharding_constraint(state, self.whole), batch))

        return Compiled(
            lambda state, batch: run(state, dict(batch)),
            lambda state, batch: [run.lower(state, dict(batch))],
            check=getattr(step, "check", lambda batch: None),
        )

    def _laid_out(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf)), tree)

    def _gather(self, params: Any) -> Any:
        def whole(leaf: jax.Array) -> jax.Array:
            return checkpoint_name(jax.lax.with_sharding_constraint(leaf, self.whole), GATHERED)

        return jax.tree.map(whole, params)
