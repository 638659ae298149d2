"""The linear layer with PyTorch's initialisation, over linen's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.nn.initializers import pytorch_bias, pytorch_kernel


class Dense(nn.Module):
    """``torch.nn.Linear``: ``x @ kernel + bias`` over the last axis.

    Parameters ``kernel: [inputs, features]``, the transpose of PyTorch's weight, and ``bias: [features]``, named as by
    ``nn.Dense``, which does the work; but drawn as PyTorch draws them.

    bias_init: PyTorch's, which depends on the number of inputs, if None.
    Raises UserError where the kernel is for another number of inputs.
    """

    features: int
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32
    kernel_init: Initializer = pytorch_kernel
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[..., inputs]; returns float[..., features]."""
        inputs = x.shape[-1]
        if self.has_variable("params", "kernel"):
            expected = self.get_variable("params", "kernel").shape[0]
            if inputs != expected:
                raise UserError(f"x must have {expected} on its last axis, which the kernel is for; got {x.shape}.")
        layer = nn.Dense(
            self.features,
            use_bias=self.use_bias,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init or pytorch_bias(fan_in=inputs),
        )
        nn.share_scope(self, layer)
        return layer(x)
