"""Everything a run is at one moment; with the configuration, a complete checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import numpy as np
import optax

from jaxdl import traced
from jaxdl.errors import UserError
from jaxdl.initial_values import initial_variables
from jaxdl.variables import merge, split


@flax.struct.dataclass
class TrainState:
    """A pytree of arrays, nothing else.

    params: the trainable leaves, float32.
    batch_stats: statistics that are not trained (running means, whitening); {} if there are none.
    opt_state: optax's.
    step: int32[], how many updates have been made.
    key: a typed random key, the same throughout the run; step k draws from ``fold_in(key, k)``.
    frozen: variables that are not trained, ``{"params": ..., "batch_stats": ...}``; they are not in ``params`` and
    ``batch_stats``, so that there is no gradient, optimizer state or update for them. {} if all are trained.
    """

    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    step: jax.Array
    key: jax.Array
    frozen: Any = flax.struct.field(default_factory=dict)

    @property
    def variables(self) -> dict[str, Any]:
        """Variables for ``model.apply``: trained and frozen together."""
        return merge({"params": self.params, "batch_stats": self.batch_stats}, self.frozen)


def create_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    images: jax.Array,
    *,
    variables: Mapping[str, Any] | None = None,
    freeze: Sequence[str] = (),
) -> TrainState:
    """The state before the first update.

    images: float[N, H, W, C] as the model will see them. Most models take only their shape from them; one with a layer
    initialised from data (whitening) also takes its values.
    variables: initial variables, copied, in place of ``model.init``'s.
    freeze: patterns of the variables to freeze, see ``jaxdl.variables``: ``("*", "!fc")`` is all but the layer fc.
    Frozen batch norms use their running statistics and do not update them.
    Raises UserError for a pattern that matches nothing, and if nothing is left to train.
    """
    init_key, run_key = jax.random.split(key)
    if variables is None:
        variables = initial_variables(model, init_key, images)
    trained, frozen = split(variables, freeze) if freeze else (variables, {})
    if not trained.get("params"):
        raise UserError(f"{', '.join(freeze)} freezes every parameter; leave some to train, as in '*', '!fc'.")
    state = TrainState(
        params=trained["params"],
        batch_stats=trained.get("batch_stats", {}),
        opt_state=traced.call(optimizer.init, trained["params"]),
        step=np.zeros((), np.int32),
        key=run_key,
        frozen=frozen,
    )
    return jax.device_put(state, may_alias=False)


def parameter_count(params: Any) -> int:
    """Number of elements of all leaves."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
