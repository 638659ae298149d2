"""Stochastic depth: residual branches left out at random."""

import flax.linen as nn
import jax

from jaxdl.errors import UserError


class StochasticDepth(nn.Module):
    """Zeros for whole examples drawn at random in training, the others divided by the share that stays.

    ``torchvision.ops.StochasticDepth`` of the mode "row" (Huang et al. 2016): on a residual branch, before the sum with
    the shortcut, which is all that is left of a network's block for these examples.

    rate: the fraction of examples. Takes the key "dropout" in training, unless it is 0.
    Raises UserError for a rate that is not from 0 to 1.
    """

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, ...]; returns the same shape."""
        if not 0 <= self.rate <= 1:
            raise UserError(f"rate must be from 0 to 1, got {self.rate}.")
        layer = nn.Dropout(self.rate, broadcast_dims=tuple(range(1, x.ndim)), deterministic=not train)
        nn.share_scope(self, layer)
        return layer(x)
