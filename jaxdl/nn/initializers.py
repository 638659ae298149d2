"""What ``torch.nn.Linear`` and ``torch.nn.Conv2d`` start from, as Flax initialisers."""

import jax
import jax.numpy as jnp

# torch draws kernels by kaiming_uniform_(a=sqrt(5)), which is uniform in +-1/sqrt(fan_in): a variance of 1 / (3 fan_in)
pytorch_kernel = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def pytorch_bias(*, fan_in: int) -> jax.nn.initializers.Initializer:
    """Uniform in +-1/sqrt(fan_in), where ``fan_in`` is the layer's inputs an output: kernel area x input channels."""
    bound = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32, **_):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
