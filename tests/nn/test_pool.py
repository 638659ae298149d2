import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.nn.pool import max_pool_2x2


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (3, 7, 6, 1), (1, 2, 3, 5), (4, 9, 9, 2)])
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_equals_linens_value_and_gradient_bit_for_bit(rng, shape, ties):
    x = jnp.asarray(rng.integers(0, 3, shape) if ties else rng.normal(size=shape), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(shape[0], shape[1] // 2, shape[2] // 2, shape[3])), jnp.float32)
    ours, theirs = (
        jax.jit(jax.value_and_grad(lambda x, pool=pool: (pool(x) * weights).sum()))(x)
        for pool in (max_pool_2x2, lambda x: nn.max_pool(x, (2, 2), strides=(2, 2)))
    )
    np.testing.assert_array_equal(max_pool_2x2(x), nn.max_pool(x, (2, 2), strides=(2, 2)))
    np.testing.assert_array_equal(ours[1], theirs[1])


def test_max_pool_equals_pytorchs_value_and_gradient(rng):
    torch = pytest.importorskip("torch")
    x = rng.integers(0, 4, (2, 7, 8, 3)).astype(np.float32)
    tensor = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    pooled = torch.nn.functional.max_pool2d(tensor, 2)
    (pooled**2).sum().backward()
    np.testing.assert_array_equal(max_pool_2x2(jnp.asarray(x)), pooled.detach().permute(0, 2, 3, 1).numpy())
    gradient = jax.grad(lambda x: (max_pool_2x2(x) ** 2).sum())(jnp.asarray(x))
    np.testing.assert_array_equal(gradient, tensor.grad.permute(0, 2, 3, 1).numpy())
