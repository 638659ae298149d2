"""Everything a run is at one moment; with the configuration, a complete checkpoint."""

from functools import partial
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax


@flax.struct.dataclass
class TrainState:
    """A pytree of arrays, nothing else.

    params: the trainable leaves, float32.
    batch_stats: what the model measured rather than learned (running means, whitening); {} where there is none.
    opt_state: optax's.
    step: int32[], how many updates have been made.
    key: a typed random key, the same throughout the run; step k draws from ``fold_in(key, k)``.
    """

    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    step: jax.Array
    key: jax.Array


def create_state(
    model: nn.Module, optimizer: optax.GradientTransformation, key: jax.Array, images: jax.Array
) -> TrainState:
    """The state before the first update.

    images: float[N, H, W, C] as the model will see them. Most models take only their shape from them; one with a layer
    initialised from data (whitening) also takes its values.
    """
    init_key, run_key = jax.random.split(key)
    variables = jax.jit(partial(model.init, train=False))(init_key, images)
    params = variables["params"]
    return TrainState(
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=jax.jit(optimizer.init)(params),
        step=jnp.zeros((), jnp.int32),
        key=run_key,
    )


def parameter_count(params: Any) -> int:
    """How many numbers the leaves hold."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
