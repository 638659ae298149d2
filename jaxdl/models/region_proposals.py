"""Region proposals (Ren et al. 2015): where in a picture there may be an object of any class.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.detection.anchors import grid_anchors
from jaxdl.detection.boxes import clip_boxes_to_image, large_enough
from jaxdl.detection.coding import decode_boxes, encode_boxes
from jaxdl.detection.image_list import ImageList, Targets
from jaxdl.detection.matching import BACKGROUND, match
from jaxdl.detection.sampling import balanced_sample
from jaxdl.detection.suppression import nms
from jaxdl.models.detector import Loss, in_full
from jaxdl.models.packing import packing
from jaxdl.nn import Conv, initializers

SMALLEST = 1e-3  # side of a proposal, in pixels
BETA = 1 / 9  # difference from which on the loss of a box is linear


class Proposals(NamedTuple):
    """boxes: float32[B, K, 4], the most likely first. valid: bool[B, K], False behind the last."""

    boxes: jax.Array
    valid: jax.Array


class RegionProposals(nn.Module):
    """torchvision's ``RegionProposalNetwork`` with its head; its arguments without ``rpn_`` are the fields.

    depth: 3x3 convolutions of the head. pre_nms_top_n, post_nms_top_n: proposals of each map before suppression, and of
    all maps after it.
    """

    anchor_sizes: Sequence[Sequence[float]]
    aspect_ratios: Sequence[float]
    depth: int
    pre_nms_top_n: int
    post_nms_top_n: int
    nms_thresh: float
    fg_iou_thresh: float
    bg_iou_thresh: float
    batch_size_per_image: int
    positive_fraction: float
    score_thresh: float
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, maps: Sequence[jax.Array], x: ImageList, *, targets: Targets | None, keys: jax.Array | None
    ) -> tuple[Proposals, dict[str, Loss]]:
        """maps: float[B, h, w, C] each, of the pictures x. With targets also losses, of anchors drawn by keys[B]."""
        count = len(self.anchor_sizes[0]) * len(self.aspect_ratios)
        conv = partial(Conv, dtype=self.dtype, kernel_init=initializers.normal(0.01), bias_init=nn.initializers.zeros)
        hidden = [
            conv(maps[0].shape[-1], (3, 3), padding=1, name=f"head.conv.{index}.0") for index in range(self.depth)
        ]
        classify, locate = conv(count, (1, 1), name="head.cls_logits"), conv(count * 4, (1, 1), name="head.bbox_pred")
        places = packing([each.shape[1:3] for each in maps])
        packed = places.packed(maps)
        for layer in hidden:
            packed = jnp.where(places.inside, nn.relu(layer(packed)), 0)
        logits = [each.reshape(len(each), -1) for each in places.unpacked(in_full(classify(packed)))]
        deltas = [each.reshape(len(each), -1, 4) for each in places.unpacked(in_full(locate(packed)))]
        anchors = grid_anchors(
            [each.shape[1:3] for each in maps],
            x.images.shape[1:3],
            sizes=self.anchor_sizes,
            ratios=self.aspect_ratios,
        )
        found = jax.vmap(partial(self._proposals, anchors=anchors))(*jax.lax.stop_gradient((logits, deltas)), x.sizes)
        if targets is None:
            return found, {}
        every = jnp.concatenate(logits, 1), jnp.concatenate(deltas, 1)
        losses = jax.vmap(partial(self._losses, anchors=np.concatenate(anchors)))
        return found, losses(keys, *every, targets.boxes, targets.labels)

    def _proposals(
        self, logits: list[jax.Array], deltas: list[jax.Array], size: jax.Array, *, anchors: list[np.ndarray]
    ) -> Proposals:
        """Of one picture, from each map's logits float32[N] and deltas float32[N, 4]."""
        candidates = []
        for level, (of_map, told, references) in enumerate(zip(logits, deltas, anchors, strict=True)):
            scores, places = jax.lax.top_k(of_map, min(self.pre_nms_top_n, len(of_map)))
            boxes = clip_boxes_to_image(decode_boxes(told[places], jnp.asarray(references)[places]), size)
            candidates.append((boxes, jax.nn.sigmoid(scores), jnp.full(len(scores), level)))
        boxes, scores, levels = map(jnp.concatenate, zip(*candidates, strict=True))
        valid = large_enough(boxes, SMALLEST) & (scores >= self.score_thresh)
        kept = nms(boxes, scores, self.nms_thresh, count=self.post_nms_top_n, valid=valid, groups=levels)
        return Proposals(boxes[kept.indices], kept.valid)

    def _losses(
        self,
        key: jax.Array,
        logits: jax.Array,
        deltas: jax.Array,
        boxes: jax.Array,
        labels: jax.Array,
        *,
        anchors: np.ndarray,
    ) -> dict[str, Loss]:
        """Of one picture: sums over the anchors that are drawn, and how many these are."""
        references = jnp.asarray(anchors)
        matched = match(
            boxes, labels > 0, references, high=self.fg_iou_thresh, low=self.bg_iou_thresh, low_quality=True
        )
        positive, negative = balanced_sample(
            key,
            matched >= 0,
            matched == BACKGROUND,
            size=self.batch_size_per_image,
            positive_fraction=self.positive_fraction,
        )
        drawn = positive | negative
        surprise = jax.nn.softplus(jnp.where(positive, -logits, logits))
        wanted = encode_boxes(jnp.where(positive[:, None], boxes[matched], references), references)
        away = jnp.where(positive[:, None], smooth_l1(deltas, wanted), 0.0)
        count = drawn.sum(dtype=jnp.float32)
        return {
            "loss_objectness": (jnp.where(drawn, surprise, 0.0).sum(), count),
            "loss_rpn_box_reg": (away.sum(), count),
        }


def smooth_l1(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """``torch.nn.functional.smooth_l1_loss`` with the detectors' beta, float[...] of both."""
    distance = jnp.abs(predictions - targets)
    return jnp.where(distance < BETA, 0.5 * jnp.square(distance) / BETA, distance - 0.5 * BETA)
