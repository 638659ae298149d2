"""Losses by PyTorch's names, unreduced: one value for each target. The training step masks and averages them.

A classification loss gives one value per example; an elementwise one has the shape of the targets, and the step
averages it over each example. ``reduce`` is PyTorch's ``reduction``, for use outside the step.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import xlogy
from jax.typing import ArrayLike

from jaxdl.errors import UserError, unknown
from jaxdl.wording import counted

REDUCTIONS = ("mean", "sum", "none")


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
        _check_shapes("labels", labels, logits)
        _check_range("labels", labels, slack=1e-3)  # mixing rounds
        labels = labels.astype(jnp.float32)
        if label_smoothing:
            labels = (1.0 - label_smoothing) * labels + label_smoothing / classes
        if weight is not None:
            labels = labels * weight.reshape((1,) * (labels.ndim - 1) + (-1,))
        return optax.softmax_cross_entropy(logits, labels)

    if labels.shape != logits.shape[:-1]:
        raise UserError(f"labels must have shape {logits.shape[:-1]} for logits {logits.shape}, got {labels.shape}.")
    ignored = jnp.zeros(labels.shape, bool) if ignore_index is None else labels == ignore_index
    _check_labels(labels, classes, ignore_index)
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


def mse(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The squared difference, as ``torch.nn.functional.mse_loss``; both float[B, ...], as is what it returns."""
    _check_shapes("targets", targets, predictions)
    return jnp.square(predictions - targets)


def l1(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The absolute difference, as ``torch.nn.functional.l1_loss``; both float[B, ...], as is what it returns."""
    _check_shapes("targets", targets, predictions)
    difference = predictions - targets
    return difference * jnp.sign(difference)  # the derivative of jnp.abs at 0 is 1; PyTorch's, and this one's, is 0


def smooth_l1(predictions: jax.Array, targets: jax.Array, *, beta: float = 1.0) -> jax.Array:
    """d^2 / (2 beta) where the difference d is less than ``beta``, |d| - beta / 2 elsewhere.

    As ``torch.nn.functional.smooth_l1_loss`` (Girshick 2015); both float[B, ...]. beta 0 is ``l1``.
    """
    _check_shapes("targets", targets, predictions)
    if beta < 0:
        raise UserError(f"beta must be at least 0, got {beta}.")
    if beta == 0:
        return l1(predictions, targets)
    distance = jnp.abs(predictions - targets)
    return jnp.where(distance < beta, 0.5 * jnp.square(distance) / beta, distance - 0.5 * beta)


def binary_cross_entropy(probabilities: jax.Array, targets: jax.Array, *, weight: ArrayLike = 1.0) -> jax.Array:
    """-(t log p + (1 - t) log(1 - p)), as ``torch.nn.functional.binary_cross_entropy``; both float[B, ...] in [0, 1].

    Logarithms are cut off at -100, and the gradient (p - t) / (p (1 - p)) at a denominator of 1e-12, as in PyTorch.
    weight: multiplies the values; it does not enter the mean's divisor. Prefer ``binary_cross_entropy_with_logits``.
    """
    _check_shapes("targets", targets, probabilities)
    _check_range("targets", targets)
    _check_range("probabilities", probabilities)
    return _binary_cross_entropy(probabilities, targets) * _spread("weight", weight, targets)


@jax.custom_jvp
def _binary_cross_entropy(p: jax.Array, t: jax.Array) -> jax.Array:
    return -(t * jnp.maximum(jnp.log(p), -100.0) + (1.0 - t) * jnp.maximum(jnp.log1p(-p), -100.0))


@_binary_cross_entropy.defjvp
def _binary_cross_entropy_jvp(primals, tangents):
    (p, t), (dp, dt) = primals, tangents
    by_p = (p - t) / jnp.maximum(p * (1.0 - p), 1e-12)
    by_t = jnp.maximum(jnp.log1p(-p), -100.0) - jnp.maximum(jnp.log(p), -100.0)
    return _binary_cross_entropy(p, t), by_p * dp + by_t * dt


def binary_cross_entropy_with_logits(
    logits: jax.Array, targets: jax.Array, *, weight: ArrayLike = 1.0, pos_weight: ArrayLike = 1.0
) -> jax.Array:
    """``binary_cross_entropy`` of the logits' sigmoids, exact for large ones; targets float[B, ...] in [0, 1].

    As ``torch.nn.functional.binary_cross_entropy_with_logits``. weight multiplies the values, pos_weight the part of
    the positive targets; one number, or an array of the targets' shape or of their last axes.
    """
    _check_shapes("targets", targets, logits)
    _check_range("targets", targets)
    positive = _spread("pos_weight", pos_weight, targets) * targets * jax.nn.softplus(-logits)
    return _spread("weight", weight, targets) * (positive + (1.0 - targets) * jax.nn.softplus(logits))


def kl_div(log_predictions: jax.Array, targets: jax.Array, *, log_target: bool = False) -> jax.Array:
    """t (log t - log p) for each element, as ``torch.nn.functional.kl_div``; both float[B, ...].

    log_predictions, and with ``log_target`` also targets, are logarithms of probabilities. The divergence of an
    example is the sum of its values; PyTorch's "mean" averages them, its "batchmean" is the sum divided by B.
    """
    _check_shapes("targets", targets, log_predictions)
    if log_target:
        return jnp.exp(targets) * (targets - log_predictions)
    return xlogy(targets, targets) - targets * log_predictions


def reduce(values: jax.Array, reduction: str = "mean", *, weights: jax.Array | None = None) -> jax.Array:
    """PyTorch's ``reduction``: "mean", "sum", or "none".

    weights: ``target_weights`` of a weighted cross entropy: the mean divides by their sum, or by the number of values
    if None. As in PyTorch the mean is NaN if all targets are ignored.
    """
    if reduction not in REDUCTIONS:
        raise unknown("reduction", reduction, REDUCTIONS)
    if reduction == "none":
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    return total / (values.size if weights is None else weights.sum())


def _check_shapes(name: str, given: jax.Array, like: jax.Array) -> None:
    if given.shape != like.shape:
        raise UserError(f"{name} must have shape {like.shape}, as what they are compared with; got {given.shape}.")


def _check_labels(labels: jax.Array, classes: int, ignore_index: int | None) -> None:
    if isinstance(labels, jax.core.Tracer):
        return
    known = np.asarray(labels)
    wrong = known[((known < 0) | (known >= classes)) & (known != ignore_index)]
    if wrong.size:
        raise UserError(
            f"labels must be from 0 to {classes - 1} for {counted(classes, 'class', 'classes')}, got {wrong[0]}."
        )


def _check_range(name: str, given: jax.Array, *, slack: float = 0.0) -> None:
    if isinstance(given, jax.core.Tracer):
        return
    known = np.asarray(given)
    wrong = known[~((known >= -slack) & (known <= 1 + slack))]
    if wrong.size:
        raise UserError(f"{name} must be from 0 to 1, got {wrong[0]}.")


def _weights(weight: ArrayLike | None, classes: int) -> jax.Array | None:
    if weight is None:
        return None
    weight = jnp.asarray(weight, jnp.float32)
    if weight.shape != (classes,):
        raise UserError(f"weight must have shape ({classes},), one for each class; got {weight.shape}.")
    return weight


def _spread(name: str, weight: ArrayLike, like: jax.Array) -> jax.Array:
    weight = jnp.asarray(weight, like.dtype)
    if weight.shape != like.shape[like.ndim - weight.ndim :]:
        raise UserError(f"{name} must be one number or fit the last axes of {like.shape}, got {weight.shape}.")
    return weight.reshape((1,) * (like.ndim - weight.ndim) + weight.shape)
