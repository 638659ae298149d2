"""How well predicted classes of pixels overlap with the true ones: from a confusion matrix, summed where they are."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError
from jaxdl.masks import IGNORED


def confusion(
    logits: jax.Array, masks: jax.Array, mask: jax.Array | None = None, *, ignored: int = IGNORED
) -> jax.Array:
    """How often each class was predicted for each: int32[classes, classes], rows are the true ones.

    logits: float[B, H, W, classes]; masks: int[B, H, W]. Each pixel counts once, one that is ``ignored`` never, nor
    one of an image outside ``mask: bool[B]``. Sums of matrices are those of all their images. Raises UserError for
    masks of another size.
    """
    if masks.shape != logits.shape[:-1]:
        raise UserError(f"masks must have shape {logits.shape[:-1]} for logits {logits.shape}, got {masks.shape}.")
    classes = logits.shape[-1]
    counts = masks != ignored
    if mask is not None:
        counts &= mask[:, None, None]
    pairs = jnp.where(counts, masks.astype(jnp.int32) * classes + logits.argmax(-1), classes * classes)
    return jnp.bincount(pairs.ravel(), length=classes * classes + 1)[:-1].reshape(classes, classes)


def iou(confusion: Any) -> np.ndarray:
    """Intersection over union of each class, float64[classes]; NaN where it is neither true nor predicted anywhere.

    ``sklearn.metrics.jaccard_score(average=None)`` of all pixels.
    """
    matrix = np.asarray(confusion, np.float64)
    both = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - both
    return np.divide(both, union, out=np.full(len(both), np.nan), where=union > 0)


def mean_iou(confusion: Any) -> float:
    """The mean of ``iou`` over the classes that occur; NaN if none does."""
    found = iou(confusion)
    return float(found[~np.isnan(found)].mean()) if not np.isnan(found).all() else float("nan")


def pixel_accuracy(confusion: Any) -> float:
    """The share of pixels whose class was predicted; NaN of none."""
    matrix = np.asarray(confusion, np.float64)
    return float(np.trace(matrix) / matrix.sum()) if matrix.sum() else float("nan")
