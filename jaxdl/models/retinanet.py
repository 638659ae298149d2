"""RetinaNet (Lin et al. 2018): each anchor of a pyramid tells a class and a box, the many easy ones weighing little.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.detection.anchors import grid_anchors
from jaxdl.detection.boxes import clip_boxes_to_image, generalized_box_iou
from jaxdl.detection.coding import decode_boxes, encode_boxes
from jaxdl.detection.image_list import Detected, ImageList, Targets
from jaxdl.detection.matching import BETWEEN, match
from jaxdl.detection.suppression import nms
from jaxdl.models.detector import Detector, Loss, in_full
from jaxdl.models.feature_pyramid import FEATURES, FROM_BACKBONE, FROM_PYRAMID
from jaxdl.models.packing import packing
from jaxdl.nn import Conv, initializers

PRIOR = 0.01  # probability of each class at the start
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss
GROUPS = 32  # of channels, of the second version's norms
ANCHOR_SIZES = tuple((side, int(side * 2 ** (1 / 3)), int(side * 2 ** (2 / 3))) for side in (32, 64, 128, 256, 512))


class Tower(nn.Module):
    """Four 3x3 convolutions, each with ReLU, then one to ``outputs`` numbers a place; of every map the same.

    last: name of the last one, and the value of its bias. norm: whether the others have group norms and no bias.
    """

    outputs: int
    last: tuple[str, float]
    norm: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(self, maps: Sequence[jax.Array]) -> list[jax.Array]:
        """maps: float[B, h, w, C] each; returns float32[B, h, w, outputs] each."""
        zeros, name, bias = nn.initializers.zeros, *self.last
        conv = partial(Conv, kernel_size=(3, 3), padding=1, dtype=self.dtype, kernel_init=initializers.normal(0.01))
        convolutions = [
            conv(FEATURES, use_bias=not self.norm, bias_init=zeros, name=f"conv.{index}.0") for index in range(4)
        ]
        norm = partial(nn.GroupNorm, num_groups=GROUPS, epsilon=1e-5, dtype=self.dtype)
        norms = [norm(name=f"conv.{index}.1") for index in range(4)] if self.norm else []
        to_outputs = conv(self.outputs, bias_init=nn.initializers.constant(bias), name=name)
        if not self.norm:  # which is of each map alone
            places = packing([each.shape[1:3] for each in maps])
            x = places.packed(maps)
            for convolve in convolutions:
                x = jnp.where(places.inside, nn.relu(convolve(x)), 0)
            return places.unpacked(in_full(to_outputs(x)))
        found = []
        for x in maps:
            for convolve, normalise in zip(convolutions, norms, strict=True):
                x = nn.relu(normalise(convolve(x)))
            found.append(in_full(to_outputs(x)))
        return found


class RetinaNet(Detector):
    """torchvision's ``RetinaNet``, with its arguments' names and values.

    version 2: group norms in the heads, the coarsest maps from the backbone's last, and a loss of boxes by their
    generalised IoU, not by what tells them.
    anchor_sizes: of each map of the pyramid; aspect_ratios: heights over widths.
    score_thresh, topk_candidates, nms_thresh, detections_per_img: which detections are given.
    fg_iou_thresh, bg_iou_thresh: from which IoU on an anchor tells of an object, and below which of none.
    """

    anchor_sizes: Sequence[Sequence[float]] = ANCHOR_SIZES
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0)
    score_thresh: float = 0.05
    nms_thresh: float = 0.5
    detections_per_img: int = 300
    topk_candidates: int = 1000
    fg_iou_thresh: float = 0.5
    bg_iou_thresh: float = 0.4

    @nn.compact
    def __call__(
        self, x: ImageList | jax.Array, *, train: bool, targets: Targets | None = None
    ) -> Detected | dict[str, Loss]:
        """x: normalised images, float[B, H, W, 3]; returns what is found in them, in pixels of x.

        With ``targets``, as in training, the losses instead: ``classification`` and ``bbox_regression``.
        """
        x = ImageList.of(x)
        maps = self.maps(x.images, train=train, coarser=FROM_BACKBONE if self.version == 2 else FROM_PYRAMID, finest=8)
        count = len(self.anchor_sizes[0]) * len(self.aspect_ratios)
        tower = partial(Tower, norm=self.version == 2, dtype=self.dtype)
        prior = -math.log((1 - PRIOR) / PRIOR)
        classify = tower(count * self.num_classes, ("cls_logits", prior), name="head.classification_head")
        locate = tower(count * 4, ("bbox_reg", 0.0), name="head.regression_head")
        logits, deltas = (
            [each.reshape(len(each), -1, size) for each in head(maps)]
            for head, size in ((classify, self.num_classes), (locate, 4))
        )
        anchors = grid_anchors(
            [each.shape[1:3] for each in maps],
            x.images.shape[1:3],
            sizes=self.anchor_sizes,
            ratios=self.aspect_ratios,
        )
        if targets is None:
            return jax.vmap(partial(self._found, anchors=anchors))(logits, deltas, x.sizes)
        every = jnp.concatenate(logits, 1), jnp.concatenate(deltas, 1)
        return jax.vmap(partial(self._losses, anchors=np.concatenate(anchors)))(*every, targets.boxes, targets.labels)

    def _found(
        self, logits: list[jax.Array], deltas: list[jax.Array], size: jax.Array, *, anchors: list[np.ndarray]
    ) -> Detected:
        """Of one picture, from each map's logits float32[N, classes] and deltas float32[N, 4]."""
        candidates = []
        for of_map, told, references in zip(logits, deltas, anchors, strict=True):
            scores = jax.nn.sigmoid(of_map).reshape(-1)
            most = min(self.topk_candidates, len(scores))
            scores, places = jax.lax.top_k(jnp.where(scores > self.score_thresh, scores, -1.0), most)
            anchor, label = places // self.num_classes, places % self.num_classes
            boxes = decode_boxes(told[anchor], jnp.asarray(references)[anchor])
            candidates.append((clip_boxes_to_image(boxes, size), scores, label))
        boxes, scores, labels = map(jnp.concatenate, zip(*candidates, strict=True))
        kept = nms(boxes, scores, self.nms_thresh, count=self.detections_per_img, valid=scores >= 0, groups=labels)
        return Detected(*(each[kept.indices] for each in (boxes, labels, scores)), kept.valid)

    def _losses(
        self, logits: jax.Array, deltas: jax.Array, boxes: jax.Array, labels: jax.Array, *, anchors: np.ndarray
    ) -> dict[str, Loss]:
        """Of one picture: sums over its anchors, divided by how many tell of an object."""
        references = jnp.asarray(anchors)
        matched = match(
            boxes, labels > 0, references, high=self.fg_iou_thresh, low=self.bg_iou_thresh, low_quality=True
        )
        of_object = matched >= 0
        objects = jnp.maximum(of_object.sum(), 1)
        label = jnp.where(of_object, labels[matched], -1)  # of none: no class at all
        classes = jnp.arange(self.num_classes)[None] == label[:, None]
        focal = jnp.where(matched[:, None] == BETWEEN, 0.0, _focal(logits, classes))
        wanted = jnp.where(of_object[:, None], boxes[matched], references)
        if self.version == 2:
            found = decode_boxes(deltas, references)
            away = 1 - generalized_box_iou(found[:, None], wanted[:, None])[:, 0]
        else:
            away = jnp.abs(deltas - encode_boxes(wanted, references))
        away = jnp.where(of_object[:, None], away, 0.0)
        one = jnp.ones(())
        return {"classification": (focal.sum() / objects, one), "bbox_regression": (away.sum() / objects, one)}


def _focal(logits: jax.Array, classes: jax.Array) -> jax.Array:
    """``torchvision.ops.sigmoid_focal_loss`` of logits: float32[N, classes] and whether each class is right."""
    right = jnp.where(classes, logits, -logits)
    weight = jnp.where(classes, ALPHA, 1 - ALPHA)
    return weight * jax.nn.sigmoid(-right) ** GAMMA * jax.nn.softplus(-right)


retinanet_resnet50_fpn = RetinaNet
retinanet_resnet50_fpn_v2 = partial(RetinaNet, version=2, frozen_norms=False)
