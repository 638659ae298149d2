"""The first layer of the fast networks in plain linen: a kernel of 2x2 pixels that is not trained."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flax.linen
    from jax.typing import DTypeLike

WHITENED = 24  # channels; other networks than ours begin with random numbers there, which costs the same


def flax(dtype: "DTypeLike", *, use_bias: bool = False) -> "flax.linen.Module":
    """A layer, named as ours: float[B, H, W, C] -> float[B, H - 1, W - 1, 24]."""
    import flax.linen as nn
    import jax

    class Whiten(nn.Module):
        @nn.compact
        def __call__(self, x):
            shape = (2, 2, x.shape[-1], WHITENED)
            start = nn.initializers.lecun_normal()
            kernel = self.variable("batch_stats", "kernel", lambda: start(self.make_rng("params"), shape))
            kernel = kernel.value.astype(dtype)
            y = jax.lax.conv_general_dilated(
                x.astype(dtype), kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            if not use_bias:
                return y
            return y + self.param("bias", nn.initializers.zeros, (WHITENED,)).astype(dtype)[None, None, None]

    return Whiten()
