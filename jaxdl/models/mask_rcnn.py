"""Mask R-CNN (He et al. 2017): Faster R-CNN that also tells which places of a box are the object's.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.detection.image_list import Detected, ImageList, Targets
from jaxdl.detection.roi_pooling import roi_align
from jaxdl.models.detector import Loss, in_full
from jaxdl.models.faster_rcnn import Drawn, FasterRCNN, convolutions
from jaxdl.models.feature_pyramid import FEATURES
from jaxdl.nn import Conv, initializers

CELLS = 14  # along each side of a proposal's features; its mask has twice as many


class MaskHead(nn.Module):
    """``MaskRCNNHeads``: four 3x3 convolutions, of version 2 with batch norm."""

    version: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[K, 14, 14, C]; returns float[K, 14, 14, 256]."""
        return convolutions(x, norm=self.version == 2, train=train, dtype=self.dtype)


class MaskPredictor(nn.Module):
    """``MaskRCNNPredictor``: a transposed convolution to twice the places, ReLU, a 1x1 convolution to logits."""

    num_classes: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[K, 14, 14, C]; returns float32[K, 28, 28, num_classes]."""
        init = initializers.kernel("he_normal", fan="fan_out")
        x = nn.ConvTranspose(
            FEATURES,
            (2, 2),
            strides=(2, 2),
            padding="VALID",
            transpose_kernel=True,
            dtype=self.dtype,
            kernel_init=init,
            name="conv5_mask",
        )(x)
        conv = Conv(self.num_classes, (1, 1), dtype=self.dtype, kernel_init=init, name="mask_fcn_logits")
        return in_full(conv(nn.relu(x)))


class MaskRCNN(FasterRCNN):
    """torchvision's ``MaskRCNN``, with its arguments' names and values; the losses have ``loss_mask`` beside."""

    def mask_logits(
        self, boxes: jax.Array, labels: jax.Array, maps: Sequence[jax.Array], x: ImageList, *, train: bool
    ) -> jax.Array:
        """Of boxes float32[B, K, 4] and classes int32[B, K] of the pictures x: float32[B, K, 28, 28]."""
        features = self.pooled(maps, boxes, CELLS, x)
        head = MaskHead(self.version, self.dtype, name="roi_heads.mask_head")
        predict = MaskPredictor(self.num_classes, self.dtype, name="roi_heads.mask_predictor")
        logits = predict(head(features.reshape(-1, *features.shape[2:]), train=train))
        own = jnp.take_along_axis(logits, labels.reshape(-1, 1, 1, 1), -1)
        return own.reshape(*labels.shape, *logits.shape[1:3])

    def with_masks(self, found: Detected, maps: Sequence[jax.Array], x: ImageList, *, train: bool) -> Detected:
        """Detections with the probabilities of their places."""
        logits = self.mask_logits(found.boxes, found.labels, maps, x, train=train)
        return found._replace(masks=jax.nn.sigmoid(logits))

    def mask_losses(
        self, drawn: Drawn, maps: Sequence[jax.Array], x: ImageList, targets: Targets, *, train: bool
    ) -> dict[str, Loss]:
        """Sums over the places of proposals that tell of an object, and how many these are."""
        most = int(self.box_batch_size_per_image * self.box_positive_fraction)
        boxes, labels, matched = (each[:, :most] for each in (drawn.boxes, drawn.labels, drawn.matched))
        logits = self.mask_logits(boxes, labels, maps, x, train=train)
        wanted = jax.vmap(_masks_within)(targets.masks, matched, boxes)
        surprise = jax.nn.softplus(logits) - wanted * logits
        of_object = (labels > 0)[..., None, None]
        sums = jnp.where(of_object, surprise, 0.0).sum((1, 2, 3))
        return {"loss_mask": (sums, of_object.sum((1, 2, 3), dtype=jnp.float32) * wanted.shape[-1] ** 2)}


def _masks_within(masks: jax.Array, matched: jax.Array, boxes: jax.Array) -> jax.Array:
    """The part within each box of one of a picture's masks [M, H, W]: float32[K, 28, 28]; one after another."""

    def within(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
        mask = masks[pair[0]].astype(jnp.float32)[..., None]
        return roi_align(mask, pair[1][None], 2 * CELLS)[0, ..., 0]

    return jax.lax.stop_gradient(jax.lax.map(within, (matched, boxes)))


maskrcnn_resnet50_fpn = MaskRCNN
maskrcnn_resnet50_fpn_v2 = partial(MaskRCNN, version=2, frozen_norms=False)
