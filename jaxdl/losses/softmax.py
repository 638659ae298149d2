"""Cross entropy of a softmax, with PyTorch's options."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxdl.errors import UserError
from jaxdl.losses.targets import check_labels, check_range, check_shapes


def cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    label_smoothing: float = 0.0,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
) -> jax.Array:
    """Softmax cross entropy in float32, as ``torch.nn.functional.cross_entropy(..., reduction="none")``.

    logits: float[B, ..., classes], classes last where PyTorch has them second.
    labels: int[B, ...], or probabilities float[B, ..., classes] as from mixup; returns float32[B, ...] in nats.
    label_smoothing: the share of the target spread evenly over all classes (Szegedy et al. 2016).
    weight: float[classes], the weight of each class; the values returned are already multiplied by it. PyTorch's mean
    then divides by the sum of ``target_weights``.
    ignore_index: integer labels equal to this have loss 0; PyTorch's default is -100.
    Raises UserError outside jit for a label that is not a class, or not a probability. Inside jit a label that is not
    a class gives NaN, at which the loop stops.
    """
    classes = logits.shape[-1]
    if not 0 <= label_smoothing <= 1:
        raise UserError(f"label_smoothing must be from 0 to 1, got {label_smoothing}.")
    weight = _weights(weight, classes)
    logits = logits.astype(jnp.float32)
    if jnp.issubdtype(labels.dtype, jnp.floating):
        if labels.shape == logits.shape[:-1]:
            raise UserError(f"labels are the classes' numbers and must be int32, got {labels.dtype}.")
        check_shapes("labels", labels, logits)
        check_range("labels", labels, slack=1e-3)  # mixing rounds
        labels = labels.astype(jnp.float32)
        if label_smoothing:
            labels = (1.0 - label_smoothing) * labels + label_smoothing / classes
        if weight is not None:
            labels = labels * weight.reshape((1,) * (labels.ndim - 1) + (-1,))
        return optax.softmax_cross_entropy(logits, labels)

    if labels.shape != logits.shape[:-1]:
        raise UserError(f"labels must have shape {logits.shape[:-1]} for logits {logits.shape}, got {labels.shape}.")
    ignored = jnp.zeros(labels.shape, bool) if ignore_index is None else labels == ignore_index
    check_labels(labels, classes, ignore_index)
    valid = (labels >= 0) & (labels < classes)
    safe = jnp.where(valid, labels, 0)
    values = optax.softmax_cross_entropy_with_integer_labels(logits, safe)
    if weight is not None:
        values = values * weight[safe]
    if label_smoothing and weight is None:
        uniform = jax.nn.logsumexp(logits, axis=-1) - logits.mean(-1)
        values = (1.0 - label_smoothing) * values + label_smoothing * uniform
    elif label_smoothing:
        spread = -(jax.nn.log_softmax(logits) @ weight) / classes
        values = (1.0 - label_smoothing) * values + label_smoothing * spread
    return jnp.where(ignored, 0.0, jnp.where(valid, values, jnp.nan))


def target_weights(labels: jax.Array, *, weight: ArrayLike | None = None, ignore_index: int | None = None) -> jax.Array:
    """Weight of each target in PyTorch's mean of ``cross_entropy``: that of its class, 0 if it is ignored.

    labels: int[B, ...]; weight: float[classes], 1 each if None. Returns float32[B, ...].
    """
    counts = jnp.ones(labels.shape, jnp.float32)
    if weight is not None:
        weight = jnp.asarray(weight, jnp.float32)
        counts = weight[jnp.clip(labels, 0, len(weight) - 1)]
    return counts if ignore_index is None else jnp.where(labels == ignore_index, 0.0, counts)


def _weights(weight: ArrayLike | None, classes: int) -> jax.Array | None:
    if weight is None:
        return None
    weight = jnp.asarray(weight, jnp.float32)
    if weight.shape != (classes,):
        raise UserError(f"weight must have shape ({classes},), one for each class; got {weight.shape}.")
    return weight
