import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl.losses import cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_equals_optax_on_smoothed_labels(rng, smoothing):
    logits = jnp.asarray(rng.normal(size=(20, 7)) * 3, jnp.float32)
    labels = jnp.asarray(rng.integers(0, 7, 20))
    targets = optax.smooth_labels(jnp.eye(7)[labels], smoothing)
    expected = optax.softmax_cross_entropy(logits, targets)
    np.testing.assert_allclose(cross_entropy(logits, labels, label_smoothing=smoothing), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_equals_pytorch(rng, smoothing):
    torch = pytest.importorskip("torch")
    logits, labels = rng.normal(size=(20, 7)).astype(np.float32), rng.integers(0, 7, 20)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), reduction="none", label_smoothing=smoothing
    )
    ours = cross_entropy(jnp.asarray(logits), jnp.asarray(labels), label_smoothing=smoothing)
    np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-5)


def test_cross_entropy_of_bf16_logits_is_f32():
    assert cross_entropy(jnp.zeros((2, 10), jnp.bfloat16), jnp.zeros(2, int)).dtype == jnp.float32
