"""Mixup and cutmix. Both functions pair every image with the one before it in the batch.

Under ``jax.pmap``, "the batch" is the device's share of it.
"""

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_float_images, check_images
from jaxdl.errors import UserError


def mixup(
    key: jax.Array, images: jax.Array, labels: jax.Array, num_classes: int, alpha: float = 0.2
) -> tuple[jax.Array, jax.Array]:
    """Mixup: images and labels averaged in pairs with weights lambda and 1 - lambda (Zhang et al. 2018).

    images: float[B, H, W, C]. labels: int[B], or already float[B, num_classes]. alpha: lambda is drawn once per batch
    from Beta(alpha, alpha). Returns images and float32[B, num_classes] labels, as ``torchvision.transforms.v2.MixUp``.
    Raises UserError where alpha is not positive, or labels are of another shape.
    """
    check_float_images(images)
    labels = _soft(labels, images, num_classes)
    ratio = _draw_ratio(key, alpha)
    return _mean(images, ratio.astype(images.dtype)), _mean(labels, ratio)


def cutmix(
    key: jax.Array, images: jax.Array, labels: jax.Array, num_classes: int, alpha: float = 1.0
) -> tuple[jax.Array, jax.Array]:
    """CutMix: images with a box pasted from another, labels weighted by area (Yun et al. 2019).

    images: [B, H, W, C] of any dtype. labels: int[B], or already float[B, num_classes]. alpha: one box per batch
    takes 1 - lambda of the image, lambda drawn from Beta(alpha, alpha), and is clipped at the border.
    Returns images and float32[B, num_classes] labels, as ``torchvision.transforms.v2.CutMix``.
    Raises UserError where alpha is not positive, or labels are of another shape.
    """
    check_images(images)
    labels = _soft(labels, images, num_classes)
    ratio_key, y_key, x_key = jax.random.split(key, 3)
    side = jnp.sqrt(1 - _draw_ratio(ratio_key, alpha))
    height, width = images.shape[1:3]
    rows = _span(jax.random.randint(y_key, (), 0, height), side, height)
    columns = _span(jax.random.randint(x_key, (), 0, width), side, width)
    box = rows.reshape(1, -1, 1, 1) & columns.reshape(1, 1, -1, 1)
    return jnp.where(box, jnp.roll(images, 1, 0), images), _mean(labels, 1 - box.mean())


def _draw_ratio(key: jax.Array, alpha: float) -> jax.Array:
    if not alpha > 0:
        raise UserError(f"alpha must be positive, got {alpha}.")
    return jax.random.beta(key, alpha, alpha)


def _span(centre: jax.Array, share: jax.Array, length: int) -> jax.Array:
    """Which of ``length`` pixels lie around the centre, within half of ``share`` of them each way: bool[length]."""
    reach = (0.5 * share * length).astype(jnp.int32)
    pixel = jnp.arange(length)
    return (pixel >= centre - reach) & (pixel < centre + reach)


def _mean(values: jax.Array, ratio: jax.Array) -> jax.Array:
    return ratio * values + (1 - ratio) * jnp.roll(values, 1, 0)


def _soft(labels: jax.Array, images: jax.Array, num_classes: int) -> jax.Array:
    labels = jnp.asarray(labels)
    if labels.shape == images.shape[:1] and jnp.issubdtype(labels.dtype, jnp.integer):
        return jax.nn.one_hot(labels, num_classes)
    if labels.shape == (images.shape[0], num_classes):
        return labels.astype(jnp.float32)
    raise UserError(
        f"labels must be int[{images.shape[0]}] or float[{images.shape[0]}, {num_classes}], "
        f"got {labels.dtype}{list(labels.shape)}."
    )
