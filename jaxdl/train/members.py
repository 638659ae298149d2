"""Many trainings in one program: the steps of all members as one function of their stacked states.

Members share a network and a dataset; each has its own state, numbers (learning rate and other hyperparameters, as
arrays) and order of the examples.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.cpu import compiler, convolution
from jaxdl.metrics import Mean
from jaxdl.train.gradients import Batch
from jaxdl.train.resident import ROWS, run_steps
from jaxdl.train.state import TrainState

Update = Callable[[TrainState, Any, Batch], tuple[TrainState, dict[str, Mean]]]


def stack_states(states: Sequence[TrainState]) -> TrainState:
    """The members' states as one: every leaf gets a leading axis of members, but ``step``, at which they all are."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states).replace(step=jnp.copy(states[0].step))


def runs_one_by_one() -> bool:
    """Whether members are computed one after another on the default backend, rather than side by side.

    True on a CPU, where grouped convolutions, which those of all members side by side become, are slower.
    """
    return jax.default_backend() == "cpu"


def each_member(function: Callable[..., Any], members: Any, *shared: Any, one_by_one: bool | None = None) -> Any:
    """``function(member, *shared)`` for every member, stacked, inside jit.

    members: a tree whose leaves have the leading axis. one_by_one: ``runs_one_by_one()`` if None.
    """
    if runs_one_by_one() if one_by_one is None else one_by_one:
        with convolution.tracing(looped=True):
            return jax.lax.map(lambda member: function(member, *shared), members)
    return jax.vmap(function, in_axes=(0, *(None for _ in shared)))(members, *shared)


def make_members_step(
    update: Update, *, one_by_one: bool | None = None
) -> Callable[..., tuple[TrainState, dict[str, Mean]]]:
    """``step(states, numbers, data, feed, count) -> (states, metrics)``, jitted: ``count`` steps of every member.

    update: (state, numbers, batch) -> (state, metrics): one step of one member, in which numbers are traced.
    states: as ``stack_states`` makes them, donated. numbers: a tree, stacked. data: the examples shared by all,
    ``images: uint8[N, H, W, C]`` and ``labels: int32[N]``. feed: ``rows: int32[M, K, B]``, the examples of each
    member's next K steps, and any other fields of the batches, [M, K, B] too. count: int32[], at most K; changing it
    does not recompile.
    metrics: those of ``update``, stacked [K, M]; 0 from ``count`` on.
    A member whose numbers are no longer finite changes nothing in the others. ``step.__wrapped__`` is the pure
    function.
    """

    def steps(
        member: tuple[TrainState, Any, Mapping[str, jax.Array]], data: Mapping[str, jax.Array], count: jax.Array
    ) -> tuple[TrainState, dict[str, Mean]]:
        state, numbers, feed = member
        return run_steps(lambda state, batch: update(state, numbers, batch), state, data, feed, count)

    def step(
        states: TrainState,
        numbers: Any,
        data: Mapping[str, jax.Array],
        feed: Mapping[str, jax.Array],
        count: jax.Array,
    ) -> tuple[TrainState, dict[str, Mean]]:
        members = (_own_steps(states, len(feed[ROWS])), numbers, feed)
        states, metrics = each_member(steps, members, data, count, one_by_one=one_by_one)
        return states.replace(step=states.step[0]), jax.tree.map(lambda values: values.swapaxes(0, 1), metrics)

    return jax.jit(step, donate_argnums=0, compiler_options=compiler.options())


def make_members_evaluation(
    evaluate: Callable[[TrainState, Any, Batch], Any], *, one_by_one: bool | None = None
) -> Callable[..., Any]:
    """``evaluation(states, numbers, data, rows, mask) -> results``, jitted: ``evaluate`` of one batch for each member,
    stacked.

    evaluate: (state, numbers, batch) -> a tree. rows: int32[M, B], the examples of ``data`` in the batch; mask:
    bool[B], False for padding. Otherwise as ``make_members_step``; nothing is donated.
    """

    def evaluation(
        states: TrainState, numbers: Any, data: Mapping[str, jax.Array], rows: jax.Array, mask: jax.Array
    ) -> Any:
        def of(member: tuple[TrainState, Any, jax.Array], data: Mapping[str, jax.Array], mask: jax.Array) -> Any:
            state, numbers, own = member
            batch = {name: jnp.take(values, own, axis=0, mode="clip") for name, values in data.items()}
            return evaluate(state, numbers, {**batch, "mask": mask})

        return each_member(of, (_own_steps(states, len(rows)), numbers, rows), data, mask, one_by_one=one_by_one)

    return jax.jit(evaluation, compiler_options=compiler.options())


def _own_steps(states: TrainState, members: int) -> TrainState:
    return states.replace(step=jnp.broadcast_to(states.step, members))
