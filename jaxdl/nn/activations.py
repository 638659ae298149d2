"""Activations by PyTorch's names, with PyTorch's defaults; all but PReLU are ``jax.nn``'s."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.errors import UserError, unknown

ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {
        "elu": jax.nn.elu,
        "gelu": partial(jax.nn.gelu, approximate=False),  # jax's default is the tanh approximation
        "identity": lambda x: x,
        "leaky_relu": jax.nn.leaky_relu,
        "log_softmax": jax.nn.log_softmax,
        "relu": jax.nn.relu,
        "sigmoid": jax.nn.sigmoid,
        "softmax": jax.nn.softmax,
        "softplus": jax.nn.softplus,
        "swish": jax.nn.swish,
        "tanh": jnp.tanh,
    }
)


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The function of that name, float[...] -> float[...]; softmax works on the last axis. UserError if unknown."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]


class PReLU(nn.Module):
    """``torch.nn.PReLU``: x where it is positive, ``slope * x`` elsewhere, the slope learned (He et al. 2015).

    Parameter ``slope: float32[C]`` with ``per_channel``, otherwise ``float32[1]``. ``nn.PReLU`` has one slope only, and
    starts from 0.01.
    """

    per_channel: bool = False
    initial_slope: float = 0.25

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[..., C]; returns the same shape. Raises UserError where the slopes are for other channels."""
        slopes = x.shape[-1] if self.per_channel else 1
        if self.has_variable("params", "slope"):
            expected = self.get_variable("params", "slope").size
            if slopes != expected:
                raise UserError(f"x must have {expected} channels, one for each slope; got shape {x.shape}.")
        slope = self.param("slope", nn.initializers.constant(self.initial_slope), (slopes,))
        slope = slope.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (slopes,))
        return jnp.where(x > 0, x, slope * x)
