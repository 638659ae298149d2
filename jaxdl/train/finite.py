"""Whether a training is still made of finite numbers."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax

from jaxdl.errors import UserError
from jaxdl.metrics import Mean

WATCHED = ("loss", "grad_norm")  # metrics of a step that tell


class NotFiniteError(UserError):
    """The loss, the gradient or the parameters are no longer finite."""


def check_metrics(step: int, metrics: Mapping[str, Mean]) -> None:
    """Raises NotFiniteError where the loss or the gradient of ``step`` is not finite."""
    for name in WATCHED:
        value = float(metrics[name].value)
        if not math.isfinite(value):
            raise NotFiniteError(_advice(f"the {name} is {value}", step))


def check_params(step: int, params: Any) -> None:
    """Raises NotFiniteError where a parameter after ``step`` is not finite."""
    if not _finite(jax.tree.leaves(params)):
        raise NotFiniteError(_advice("the parameters are not finite", step))


def finite_members(params: Any) -> np.ndarray:
    """bool[M]: whether each member's parameters, stacked, are finite."""
    return np.isfinite(jax.device_get(_norms(params)))


def _finite(leaves: list[Any]) -> bool:
    """Whether all are: on a CPU by a look at their memory, elsewhere by a program beside it."""
    if all(isinstance(leaf, np.ndarray) or (leaf.is_fully_addressable and _on_cpu(leaf)) for leaf in leaves):
        return all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves)
    return math.isfinite(float(_norm(leaves)))


def _on_cpu(array: jax.Array) -> bool:
    return all(device.platform == "cpu" for device in array.devices())


def _advice(found: str, step: int) -> str:
    return f"{found} at step {step}; training has stopped. Try a lower learning rate, or clip the gradients."


_norm = jax.jit(optax.tree.norm)
_norms = jax.jit(jax.vmap(optax.tree.norm))
