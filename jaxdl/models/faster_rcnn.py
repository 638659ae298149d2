"""Faster R-CNN (Ren et al. 2015): proposals, and of each a class and a better box.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.detection.boxes import clip_boxes_to_image, large_enough
from jaxdl.detection.coding import decode_boxes, encode_boxes
from jaxdl.detection.image_list import Detected, ImageList, Targets
from jaxdl.detection.matching import match
from jaxdl.detection.roi_pooling import multiscale_roi_align
from jaxdl.detection.sampling import balanced_sample
from jaxdl.detection.suppression import nms
from jaxdl.models.detector import Detector, Loss, in_full
from jaxdl.models.feature_pyramid import FEATURES, POOLED
from jaxdl.models.region_proposals import Proposals, RegionProposals, smooth_l1
from jaxdl.nn import Conv, Dense, batch_norm, initializers

SMALLEST = 1e-2  # side of a detection, in pixels
CELLS = 7  # along each side of a proposal's features
HIDDEN = 1024
MAPS = 4  # of the pyramid, that features of proposals are of
ANCHOR_SIZES = ((32,), (64,), (128,), (256,), (512,))
MOBILE_ANCHOR_SIZES = ((32, 64, 128, 256, 512),) * 3
MOBILE_STAGES = ("features.13", "features.16")


class Drawn(NamedTuple):
    """Proposals that the losses look at: boxes float32[B, K, 4]; valid bool[B, K]; labels int32[B, K], 0 of background;
    matched int32[B, K], the object of each."""

    boxes: jax.Array
    valid: jax.Array
    labels: jax.Array
    matched: jax.Array


class BoxHead(nn.Module):
    """Two linear layers (``TwoMLPHead``); of version 2, four 3x3 convolutions with batch norm before a single one."""

    version: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[K, 7, 7, C]; returns float[K, 1024]."""
        dense = partial(Dense, HIDDEN, dtype=self.dtype)
        if self.version == 1:
            x = nn.relu(dense(name="fc6")(x.reshape(len(x), -1)))
            return nn.relu(dense(name="fc7")(x))
        x = convolutions(x, norm=True, train=train, dtype=self.dtype)
        return nn.relu(dense(name="5")(x.reshape(len(x), -1)))


class BoxPredictor(nn.Module):
    """``FastRCNNPredictor``: logits of each class, and for each class the four numbers that tell a box."""

    num_classes: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """x: float[K, inputs]; returns float32[K, classes] and float32[K, classes, 4]."""
        logits = Dense(self.num_classes, dtype=self.dtype, name="cls_score")(x)
        deltas = Dense(4 * self.num_classes, dtype=self.dtype, name="bbox_pred")(x)
        return in_full(logits), in_full(deltas).reshape(len(x), self.num_classes, 4)


class FasterRCNN(Detector):
    """torchvision's ``FasterRCNN``, with its arguments' names and values.

    version 2: batch norms in the pyramid and the heads, two convolutions before proposals, four before boxes.
    anchor_sizes: of each map of the pyramid; aspect_ratios: heights over widths.
    """

    anchor_sizes: Sequence[Sequence[float]] = ANCHOR_SIZES
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0)
    rpn_pre_nms_top_n_train: int = 2000
    rpn_pre_nms_top_n_test: int = 1000
    rpn_post_nms_top_n_train: int = 2000
    rpn_post_nms_top_n_test: int = 1000
    rpn_nms_thresh: float = 0.7
    rpn_fg_iou_thresh: float = 0.7
    rpn_bg_iou_thresh: float = 0.3
    rpn_batch_size_per_image: int = 256
    rpn_positive_fraction: float = 0.5
    rpn_score_thresh: float = 0.0
    box_score_thresh: float = 0.05
    box_nms_thresh: float = 0.5
    box_detections_per_img: int = 100
    box_fg_iou_thresh: float = 0.5
    box_bg_iou_thresh: float = 0.5
    box_batch_size_per_image: int = 512
    box_positive_fraction: float = 0.25
    bbox_reg_weights: Sequence[float] = (10.0, 10.0, 5.0, 5.0)

    @property
    def flattened(self) -> Mapping[str, tuple[int, int, int]]:
        """For ``transfer.conversion``: the linear layer behind a proposal's features."""
        layer = "fc6" if self.version == 1 else "5"
        return {f"roi_heads.box_head.{layer}": (CELLS, CELLS, FEATURES)}

    @nn.compact
    def __call__(
        self, x: ImageList | jax.Array, *, train: bool, targets: Targets | None = None
    ) -> Detected | dict[str, Loss]:
        """x: normalised images, float[B, H, W, 3]; returns what is found in them, in pixels of x.

        With ``targets``, as in training, the losses instead: ``loss_objectness``, ``loss_rpn_box_reg``,
        ``loss_classifier`` and ``loss_box_reg``. In training needs a key named "dropout", which draws anchors and
        proposals.
        """
        x = ImageList.of(x)
        maps = self.maps(x.images, train=train, coarser=POOLED, finest=4, norm=self.version == 2)
        key = self.make_rng("dropout") if train else jax.random.key(0)
        keys = jax.random.split(key, (len(x.images), 2))
        proposals, losses = self._region_proposals(train)(maps, x, targets=targets, keys=keys[:, 0])
        head = BoxHead(self.version, self.dtype, name="roi_heads.box_head")
        predict = BoxPredictor(self.num_classes, self.dtype, name="roi_heads.box_predictor")

        def told(boxes: jax.Array) -> tuple[jax.Array, jax.Array]:
            features = self.pooled(maps, boxes, CELLS, x)
            found = predict(head(features.reshape(-1, *features.shape[2:]), train=train))
            return tuple(each.reshape(*boxes.shape[:2], *each.shape[1:]) for each in found)

        if targets is None:
            found = jax.vmap(self._found)(*told(proposals.boxes), proposals, x.sizes)
            return self.with_masks(found, maps, x, train=train)
        drawn = jax.vmap(self._drawn)(keys[:, 1], proposals, targets.boxes, targets.labels)
        losses |= jax.vmap(self._losses)(*told(drawn.boxes), drawn, targets.boxes)
        return losses | self.mask_losses(drawn, maps, x, targets, train=train)

    def with_masks(self, found: Detected, maps: Sequence[jax.Array], x: ImageList, *, train: bool) -> Detected:
        """Detections with masks where the network tells them."""
        return found

    def mask_losses(
        self, drawn: Drawn, maps: Sequence[jax.Array], x: ImageList, targets: Targets, *, train: bool
    ) -> dict[str, Loss]:
        """The losses of masks where the network tells them."""
        return {}

    def pooled(self, maps: Sequence[jax.Array], boxes: jax.Array, cells: int, x: ImageList) -> jax.Array:
        """Features of boxes float32[B, K, 4] of the pictures x: float[B, K, cells, cells, C]."""
        pool = partial(multiscale_roi_align, output_size=cells, image=x.images.shape[1:3])
        return jax.vmap(pool)(list(maps[:-1])[:MAPS], boxes)  # the coarsest map is for proposals alone

    def _region_proposals(self, train: bool) -> RegionProposals:
        return RegionProposals(
            anchor_sizes=self.anchor_sizes,
            aspect_ratios=self.aspect_ratios,
            depth=self.version,
            pre_nms_top_n=self.rpn_pre_nms_top_n_train if train else self.rpn_pre_nms_top_n_test,
            post_nms_top_n=self.rpn_post_nms_top_n_train if train else self.rpn_post_nms_top_n_test,
            nms_thresh=self.rpn_nms_thresh,
            fg_iou_thresh=self.rpn_fg_iou_thresh,
            bg_iou_thresh=self.rpn_bg_iou_thresh,
            batch_size_per_image=self.rpn_batch_size_per_image,
            positive_fraction=self.rpn_positive_fraction,
            score_thresh=self.rpn_score_thresh,
            dtype=self.dtype,
            name="rpn",
        )

    def _found(self, logits: jax.Array, deltas: jax.Array, proposals: Proposals, size: jax.Array) -> Detected:
        """Of one picture, from the logits float32[K, classes] and deltas float32[K, classes, 4] of its proposals."""
        boxes = decode_boxes(deltas[:, 1:], proposals.boxes[:, None], weights=self.bbox_reg_weights)
        boxes = clip_boxes_to_image(boxes.reshape(-1, 4), size)
        scores = jax.nn.softmax(logits)[:, 1:]
        labels = jnp.broadcast_to(jnp.arange(1, self.num_classes), scores.shape).reshape(-1)
        valid = (proposals.valid[:, None] & (scores > self.box_score_thresh)).reshape(-1)
        valid &= large_enough(boxes, SMALLEST)
        scores = scores.reshape(-1)
        kept = nms(boxes, scores, self.box_nms_thresh, count=self.box_detections_per_img, valid=valid, groups=labels)
        return Detected(*(each[kept.indices] for each in (boxes, labels, scores)), kept.valid)

    def _drawn(self, key: jax.Array, proposals: Proposals, boxes: jax.Array, labels: jax.Array) -> Drawn:
        """Of one picture: some of the proposals and of the objects themselves."""
        there = labels > 0
        every = jax.lax.stop_gradient(jnp.concatenate([proposals.boxes, boxes]))
        valid = jnp.concatenate([proposals.valid, there])
        matched = match(boxes, there, every, high=self.box_fg_iou_thresh, low=self.box_bg_iou_thresh)
        of_object = matched >= 0
        positive, negative = balanced_sample(
            key,
            valid & of_object,
            valid & ~of_object,
            size=self.box_batch_size_per_image,
            positive_fraction=self.box_positive_fraction,
        )
        first = positive.astype(jnp.int32) * 2 + negative  # those of objects before the others
        found, places = jax.lax.top_k(first, min(self.box_batch_size_per_image, len(every)))
        matched = jnp.maximum(matched[places], 0)
        return Drawn(every[places], found > 0, jnp.where(found == 2, labels[matched], 0), matched)

    def _losses(self, logits: jax.Array, deltas: jax.Array, drawn: Drawn, boxes: jax.Array) -> dict[str, Loss]:
        """Of one picture: sums over the proposals that are drawn, and how many these are."""
        surprise = -jnp.take_along_axis(jax.nn.log_softmax(logits), drawn.labels[:, None], 1)[:, 0]
        own = jnp.take_along_axis(deltas, drawn.labels[:, None, None], 1)[:, 0]
        of_object = (drawn.labels > 0)[:, None]
        wanted = jnp.where(of_object, boxes[drawn.matched], drawn.boxes)
        references = jnp.where(drawn.valid[:, None], drawn.boxes, jnp.asarray([[0.0, 0.0, 1.0, 1.0]]))
        wanted = encode_boxes(jnp.where(of_object, wanted, references), references, weights=self.bbox_reg_weights)
        away = jnp.where(of_object, smooth_l1(own, wanted), 0.0)
        count = drawn.valid.sum(dtype=jnp.float32)
        return {
            "loss_classifier": (jnp.where(drawn.valid, surprise, 0.0).sum(), count),
            "loss_box_reg": (away.sum(), count),
        }


def convolutions(x: jax.Array, *, norm: bool, train: bool, dtype: DTypeLike) -> jax.Array:
    """Four 3x3 convolutions with ReLU, named 0 to 3; norm: with batch norm, and so without bias. For ``__call__``."""
    init = initializers.kernel("he_normal", fan="fan_out")
    conv = partial(Conv, FEATURES, (3, 3), padding=1, dtype=dtype, kernel_init=init, bias_init=nn.initializers.zeros)
    for index in range(4):
        x = conv(use_bias=not norm, name=f"{index}.0")(x)
        x = nn.relu(batch_norm(train=train, dtype=dtype)(name=f"{index}.1")(x) if norm else x)
    return x


_mobile = partial(
    FasterRCNN,
    backbone="mobilenet_v3_large",
    stages=MOBILE_STAGES,
    anchor_sizes=MOBILE_ANCHOR_SIZES,
    rpn_score_thresh=0.05,
)
fasterrcnn_resnet50_fpn = FasterRCNN
fasterrcnn_resnet50_fpn_v2 = partial(FasterRCNN, version=2, frozen_norms=False)
fasterrcnn_mobilenet_v3_large_fpn = _mobile
fasterrcnn_mobilenet_v3_large_320_fpn = partial(
    _mobile, min_size=320, max_size=640, rpn_pre_nms_top_n_test=150, rpn_post_nms_top_n_test=150
)
