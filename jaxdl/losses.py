"""Losses, one value per example; the training step masks and averages them."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy(logits: jax.Array, labels: jax.Array, *, label_smoothing: float = 0.0) -> jax.Array:
    """Softmax cross entropy in float32, as ``torch.nn.CrossEntropyLoss(reduction="none")``.

    logits: float[B, classes]; labels: int32[B]; returns float32[B] in nats.
    label_smoothing: the share of the target spread evenly over all classes (Szegedy et al. 2016).
    """
    logits = logits.astype(jnp.float32)
    hard = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if not label_smoothing:
        return hard
    uniform = jax.nn.logsumexp(logits, axis=-1) - logits.mean(-1)
    return (1.0 - label_smoothing) * hard + label_smoothing * uniform
