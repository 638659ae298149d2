"""Losses of each number by itself, with PyTorch's names and options."""

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jax.typing import ArrayLike

from jaxdl.errors import UserError
from jaxdl.losses.targets import check_range, check_shapes


def mse(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The squared difference, as ``torch.nn.functional.mse_loss``; both float[B, ...], as is what it returns."""
    check_shapes("targets", targets, predictions)
    return jnp.square(predictions - targets)


def l1(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The absolute difference, as ``torch.nn.functional.l1_loss``; both float[B, ...], as is what it returns."""
    check_shapes("targets", targets, predictions)
    difference = predictions - targets
    return difference * jnp.sign(difference)  # the derivative of jnp.abs at 0 is 1; PyTorch's, and this one's, is 0


def smooth_l1(predictions: jax.Array, targets: jax.Array, *, beta: float = 1.0) -> jax.Array:
    """d^2 / (2 beta) where the difference d is less than ``beta``, |d| - beta / 2 elsewhere.

    As ``torch.nn.functional.smooth_l1_loss`` (Girshick 2015); both float[B, ...]. beta 0 is ``l1``.
    """
    check_shapes("targets", targets, predictions)
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
    check_shapes("targets", targets, probabilities)
    check_range("targets", targets)
    check_range("probabilities", probabilities)
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
    check_shapes("targets", targets, logits)
    check_range("targets", targets)
    positive = _spread("pos_weight", pos_weight, targets) * targets * jax.nn.softplus(-logits)
    return _spread("weight", weight, targets) * (positive + (1.0 - targets) * jax.nn.softplus(logits))


def kl_div(log_predictions: jax.Array, targets: jax.Array, *, log_target: bool = False) -> jax.Array:
    """t (log t - log p) for each element, as ``torch.nn.functional.kl_div``; both float[B, ...].

    log_predictions, and with ``log_target`` also targets, are logarithms of probabilities. The divergence of an
    example is the sum of its values; PyTorch's "mean" averages them, its "batchmean" is the sum divided by B.
    """
    check_shapes("targets", targets, log_predictions)
    if log_target:
        return jnp.exp(targets) * (targets - log_predictions)
    return xlogy(targets, targets) - targets * log_predictions


def _spread(name: str, weight: ArrayLike, like: jax.Array) -> jax.Array:
    weight = jnp.asarray(weight, like.dtype)
    if weight.shape != like.shape[like.ndim - weight.ndim :]:
        raise UserError(f"{name} must be one number or fit the last axes of {like.shape}, got {weight.shape}.")
    return weight.reshape((1,) * (like.ndim - weight.ndim) + weight.shape)
