"""Lookahead: every few updates the parameters return to a slow average of themselves."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdl.errors import UserError
from jaxdl.optim.arguments import check_count, check_number


class LookaheadState(NamedTuple):
    """optimizer: the wrapped optimizer's state; count: int32[], updates made; slow: like the parameters."""

    optimizer: optax.OptState
    count: jax.Array
    slow: optax.Params


def with_lookahead(
    optimizer: optax.GradientTransformation, decay: float, *, steps: int, every: int = 5
) -> optax.GradientTransformationExtraArgs:
    """``optimizer``, whose parameters are set to their slow average after every ``every`` updates.

    After update t, a multiple of ``every``, ``slow = d * slow + (1 - d) * params`` with ``d = decay ** every * (t /
    steps) ** 3``, and the parameters become ``slow``; so they do after the last update, without averaging. The average
    begins at the initial parameters. As in Jordan (2024), after Zhang et al. (2019), whose d is constant.
    Running statistics of batch norm are no parameters and are left as they are; the published program averages them.

    decay: per update, in [0, 1]. steps: the number of updates of the run; after them nothing is averaged.
    Raises UserError for values out of range and, from update, without ``params``.
    """
    check_number("decay", decay, min=0, max=1)
    check_count("steps", steps)
    check_count("every", every)
    optimizer = optax.with_extra_args_support(optimizer)

    def init(params: optax.Params) -> LookaheadState:
        # A copy: a training step that donates its state may not be handed one buffer twice.
        return LookaheadState(optimizer.init(params), jnp.zeros((), jnp.int32), jax.tree.map(jnp.copy, params))

    def update(updates, state, params=None, **extra_args: Any):
        if params is None:
            raise UserError("with_lookahead averages parameters: call update(gradients, opt_state, params).")
        updates, inner = optimizer.update(updates, state.optimizer, params, **extra_args)
        count = optax.safe_increment(state.count)
        averages, ends = (count % every == 0) & (count <= steps), count == steps
        share = decay**every * (count / steps) ** 3

        def average(slow: jax.Array, before: jax.Array, step: jax.Array) -> jax.Array:
            kept = share.astype(slow.dtype)
            return jnp.where(averages, kept * slow + (1 - kept) * (before + step), slow)

        slow = jax.tree.map(average, state.slow, params, updates)
        returns = averages | ends
        updates = jax.tree.map(lambda s, p, u: jnp.where(returns, s - p, u), slow, params, updates)
        return updates, LookaheadState(inner, count, slow)

    return optax.GradientTransformationExtraArgs(init, update)
