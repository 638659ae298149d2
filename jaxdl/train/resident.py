"""Several steps in one program on data in device memory: the host sends indices of examples, no images."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.cpu import compiler, convolution
from jaxdl.metrics import Mean
from jaxdl.train.gradients import Batch
from jaxdl.train.state import TrainState
from jaxdl.train.step import TrainStep

ROWS = "rows"
Update = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Mean]]]
Steps = Callable[[TrainState, Mapping[str, jax.Array], jax.Array], tuple[TrainState, dict[str, Mean]]]


def make_resident_steps(train_step: TrainStep, data: Mapping[str, jax.Array]) -> Steps:
    """``steps(state, feed, count) -> (state, metrics)``, jitted: ``count`` training steps, one after another.

    data: all examples, on the device: ``images: uint8[N, H, W, C]``, ``labels: int32[N]``. feed: ``rows: int32[K, B]``,
    the examples of the next K batches, and any other fields of a batch, [K, B]. count: at most K; changing it does not
    recompile. metrics: those of each step, stacked [K]; zeros from ``count`` on.
    The state is donated. The steps are those of ``train_step`` called on the same batches.
    """

    def steps(
        state: TrainState, data: Mapping[str, jax.Array], feed: Mapping[str, jax.Array], count: jax.Array
    ) -> tuple[TrainState, dict[str, Mean]]:
        return run_steps(train_step.__wrapped__, state, data, feed, count)

    jitted = jax.jit(steps, donate_argnums=0, compiler_options=compiler.options())
    return lambda state, feed, count: jitted(state, data, feed, jnp.asarray(count, jnp.int32))


def run_steps(
    update: Update,
    state: TrainState,
    data: Mapping[str, jax.Array],
    feed: Mapping[str, jax.Array],
    count: jax.Array,
) -> tuple[TrainState, dict[str, Mean]]:
    """The function that ``make_resident_steps`` compiles, for any ``update``; pure, to be traced inside jit."""

    def taken(state: TrainState, index: jax.Array | int) -> tuple[TrainState, dict[str, Mean]]:
        batch = {name: values[index] for name, values in feed.items()}
        rows = batch.pop(ROWS)
        gathered = {name: jnp.take(values, rows, axis=0, mode="clip") for name, values in data.items()}
        return update(state, {**gathered, **batch})

    def body(index: jax.Array, carry: tuple[TrainState, Any]) -> tuple[TrainState, Any]:
        state, metrics = taken(carry[0], index)
        return state, jax.tree.map(lambda every, one: every.at[index].set(one), carry[1], metrics)

    with convolution.tracing(looped=True):
        _, shapes = jax.eval_shape(taken, state, 0)
        metrics = jax.tree.map(lambda one: jnp.zeros((len(feed[ROWS]), *one.shape), one.dtype), shapes)
        return jax.lax.fori_loop(0, count, body, (state, metrics))
