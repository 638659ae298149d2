"""The network that reaches 94 % on CIFAR-10 in the fewest GPU seconds: a whitened first layer and three wide groups."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Whiten, activation, max_pool
from jaxdl.nn.initializers import pytorch_bias, pytorch_kernel

KEPT = 0.6  # of batch norm's running statistics at each update: short runs need young ones
EPSILON = 1e-12


class SpeedCNN(nn.Module):
    """The network of Jordan (2024), "94% on CIFAR-10 in 3.29 Seconds on a Single GPU". 1,971,352 parameters.

    Whitening of 2x2 patches with a bias; three groups, each a 3x3 convolution, 2x2 max pooling, batch norm, GELU, a 3x3
    convolution, batch norm, GELU; the largest activation of each channel; a linear layer, its logits scaled down. Batch
    norms have a bias and no scale, and no layer but the first another bias. Convolutions begin as the identity on as
    many features as they have inputs. With images of 32 pixels the last maximum is ``MaxPool2d(3)``, as published.

    widths: features of the groups.
    for_muon: start as the variant for the Muon optimizer does: the whitening's bias not from 0 but as PyTorch draws it,
    the linear layer with deviation 1 and its logits over its inputs rather than 9.
    """

    num_classes: int = 10
    widths: Sequence[int] = (64, 256, 256)
    for_muon: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, 32, 32, 3]; returns float32[B, num_classes]."""
        gelu = activation("gelu")
        bias_init = pytorch_bias(fan_in=4 * x.shape[-1]) if self.for_muon else nn.initializers.zeros
        x = gelu(Whiten(use_bias=True, bias_init=bias_init, dtype=self.dtype)(x))
        for features in self.widths:
            for layer in range(2):
                x = nn.Conv(
                    features, (3, 3), padding=1, use_bias=False, dtype=self.dtype, kernel_init=partial_identity
                )(x)
                if layer == 0:
                    x = max_pool(x, 2)
                x = nn.BatchNorm(
                    use_running_average=not train, momentum=KEPT, epsilon=EPSILON, use_scale=False, dtype=self.dtype
                )(x)
                x = gelu(x)
        x = x.max((1, 2))
        kernel_init = unit_kernel if self.for_muon else pytorch_kernel
        logits = nn.Dense(self.num_classes, use_bias=False, dtype=self.dtype, kernel_init=kernel_init)(x)
        return logits.astype(jnp.float32) / (x.shape[-1] if self.for_muon else 9)


def partial_identity(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32, **_) -> jax.Array:
    """A kernel [H, W, C, features] whose first features copy the inputs, one each; the rest as PyTorch draws them.

    ``torch.nn.init.dirac_(weight[:C])`` after ``Conv2d.reset_parameters()``.
    """
    height, width, inputs, features = shape
    copied = min(inputs, features)
    identity = jnp.zeros((height, width, inputs, copied), dtype)
    identity = identity.at[height // 2, width // 2].set(jnp.eye(inputs, copied, dtype=dtype))
    return pytorch_kernel(key, shape, dtype).at[..., :copied].set(identity)


def unit_kernel(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32, **_) -> jax.Array:
    """PyTorch's kernel divided by its own standard deviation, the unbiased one."""
    kernel = pytorch_kernel(key, shape, dtype)
    return kernel / jnp.std(kernel, ddof=1)
