import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.nn.whitening import Whiten, whitening_kernel


def correlated(key, shape):
    """Noise with neighbours and channels alike, as in photographs."""
    noise = jax.random.normal(key, shape)
    smooth = noise + jnp.roll(noise, 1, 1) + jnp.roll(noise, 1, 2)
    return smooth + smooth.mean(-1, keepdims=True)


def test_whitened_patches_are_uncorrelated_with_unit_variance():
    images = correlated(jax.random.key(0), (200, 16, 16, 3))
    layer = Whiten(size=2, epsilon=1e-6)
    variables = layer.init(jax.random.key(1), images)
    out = np.asarray(layer.apply(variables, images))
    assert out.shape == (200, 15, 15, 24)
    positive = out[..., :12].reshape(-1, 12)
    np.testing.assert_allclose(positive.T @ positive / len(positive), np.eye(12), atol=2e-3)
    np.testing.assert_array_equal(out[..., 12:], -out[..., :12])


def test_the_kernel_trains_nowhere():
    images = correlated(jax.random.key(0), (20, 8, 8, 3))
    assert set(Whiten().init(jax.random.key(0), images)) == {"batch_stats"}


def test_a_bias_trains_beside_the_kernel():
    images = correlated(jax.random.key(0), (20, 8, 8, 3))
    layer = Whiten(use_bias=True, bias_init=jax.nn.initializers.ones)
    variables = layer.init(jax.random.key(0), images)
    assert jax.tree.map(jnp.shape, variables["params"]) == {"bias": (24,)}
    plain = Whiten().apply({"batch_stats": variables["batch_stats"]}, images)
    np.testing.assert_array_equal(layer.apply(variables, images), plain + 1)


def test_epsilon_bounds_directions_without_signal():
    gray = jnp.broadcast_to(correlated(jax.random.key(0), (50, 8, 8, 1)), (50, 8, 8, 3))
    kernel = whitening_kernel(gray, 2, 1e-2)
    assert np.linalg.norm(kernel.reshape(12, -1), axis=0).max() <= 1 / np.sqrt(1e-2) + 1e-3
