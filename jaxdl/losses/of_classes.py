"""Losses that a classifier can be trained with, by name: all take the same targets and the same label smoothing."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError
from jaxdl.losses import BY_NAME
from jaxdl.losses.elementwise import binary_cross_entropy_with_logits
from jaxdl.losses.targets import check_labels, check_range, check_shapes

FOCUS = 2.0  # the published gamma of the focal loss


def one_vs_rest(logits: jax.Array, labels: jax.Array, *, label_smoothing: float = 0.0) -> jax.Array:
    """Binary cross entropy of each class against the others (Wightman et al. 2021, ``--bce-loss`` of timm).

    logits: float[B, classes]; labels: int[B], or probabilities float[B, classes]. Returns float32[B, classes], of which
    the step takes each example's mean: ``torch.nn.functional.binary_cross_entropy_with_logits`` of one-hot targets.
    label_smoothing, errors: as in ``cross_entropy``.
    """
    return binary_cross_entropy_with_logits(logits.astype(jnp.float32), _probabilities(labels, logits, label_smoothing))


def focal(logits: jax.Array, labels: jax.Array, *, label_smoothing: float = 0.0, gamma: float = FOCUS) -> jax.Array:
    """Cross entropy in which each class counts (1 - p) ** gamma times (Lin et al. 2017): easy examples count little.

    logits: float[B, classes]; labels: int[B], or probabilities float[B, classes]. Returns float32[B]. gamma 0 is
    ``cross_entropy``; label_smoothing, errors: as there. (``torchvision.ops.sigmoid_focal_loss`` is of sigmoids.)
    """
    if gamma < 0:
        raise UserError(f"gamma must be at least 0, got {gamma}.")
    targets, log_p = _probabilities(labels, logits, label_smoothing), jax.nn.log_softmax(logits.astype(jnp.float32))
    return -(targets * (-jnp.expm1(log_p)) ** gamma * log_p).sum(-1)


def of_constant_guess(name: str, classes: int) -> float:
    """The least loss of a network that gives all classes one logit, whatever it sees: that of having learned nothing,
    of classes that are equally frequent. name: of a loss of classes, or of pixels."""
    if name == "dice":  # each class has 1 / classes of the pixels, and of the probability everywhere
        return 1 - 1 / classes
    logits = np.linspace(-20, 20, 4001, dtype=np.float32)
    values = BY_NAME[name](jnp.broadcast_to(logits[:, None], (len(logits), classes)), jnp.zeros(len(logits), jnp.int32))
    return float(values.reshape(len(logits), -1).mean(-1).min())


def _probabilities(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """float32[B, classes]; NaN inside jit for a label that is no class."""
    classes = logits.shape[-1]
    if not 0 <= label_smoothing <= 1:
        raise UserError(f"label_smoothing must be from 0 to 1, got {label_smoothing}.")
    if jnp.issubdtype(labels.dtype, jnp.floating):
        check_shapes("labels", labels, logits)
        check_range("labels", labels, slack=1e-3)  # mixing rounds
        targets = jnp.clip(labels.astype(jnp.float32), 0.0, 1.0)
    else:
        check_labels(labels, classes)
        valid = (labels >= 0) & (labels < classes)
        targets = jnp.where(valid[..., None], jax.nn.one_hot(labels, classes), jnp.nan)
    return (1.0 - label_smoothing) * targets + label_smoothing / classes
