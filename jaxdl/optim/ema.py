"""The exponential moving average of the parameters, kept beside the optimizer's state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdl.errors import UserError
from jaxdl.optim.arguments import check_number


class EmaState(NamedTuple):
    """optimizer: the wrapped optimizer's state; count: int32[], updates made; average: like the parameters."""

    optimizer: optax.OptState
    count: jax.Array
    average: optax.Params


def with_ema(optimizer: optax.GradientTransformation, decay: float) -> optax.GradientTransformationExtraArgs:
    """``optimizer``, whose state also averages the parameters as they are after each update.

    The average is a copy at the first update and ``decay * average + (1 - decay) * params`` from then on, as in
    ``torch.optim.swa_utils.AveragedModel`` with ``get_ema_multi_avg_fn(decay)``. ``ema_params`` reads it. Running
    statistics of batch norm are not averaged; nor does PyTorch, without ``use_buffers``.

    decay: in [0, 1]; 0.999 remembers about the last 1000 updates. Raises UserError outside.
    """
    check_number("decay", decay, min=0, max=1)
    optimizer = optax.with_extra_args_support(optimizer)

    def init(params: optax.Params) -> EmaState:
        # A copy: a training step that donates its state may not be handed one buffer twice.
        return EmaState(optimizer.init(params), jnp.zeros((), jnp.int32), jax.tree.map(jnp.copy, params))

    def update(updates, state, params=None, **extra_args: Any):
        if params is None:
            raise UserError("with_ema averages parameters: call update(gradients, opt_state, params).")
        updates, inner = optimizer.update(updates, state.optimizer, params, **extra_args)
        after = optax.apply_updates(params, updates)
        first = state.count == 0
        average = jax.tree.map(lambda a, p: jnp.where(first, p, decay * a + (1 - decay) * p), state.average, after)
        return updates, EmaState(inner, optax.safe_increment(state.count), average)

    return optax.GradientTransformationExtraArgs(init, update)


def ema_params(opt_state: optax.OptState) -> optax.Params:
    """The averaged parameters in the state of an optimizer made by ``with_ema``, also inside ``optax.chain``.

    Before the first update they are the initial parameters. Raises UserError if there is no average.
    """
    nodes = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, EmaState))
    for node in nodes:
        if isinstance(node, EmaState):
            return node.average
    raise UserError("this optimizer keeps no average of the parameters; wrap it: with_ema(optimizer, decay).")
