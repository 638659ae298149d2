"""The parts that detectors share: a backbone with a feature pyramid, and losses of anchors.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import functools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl import initial_values
from jaxdl.errors import UserError
from jaxdl.models.backbone import Backbone, course
from jaxdl.models.feature_pyramid import FeaturePyramid
from jaxdl.models.segmenter import backbone_of
from jaxdl.variables import flat, layer_of

Loss = tuple[jax.Array, jax.Array]  # float32[B] twice: sums over a picture's boxes, and their weights


class BackboneWithPyramid(nn.Module):
    """A classifier's maps of several strides and a ``FeaturePyramid`` of them.

    backbone: name of a classifier that gives maps, see ``models.names``. stages: of it, the finest first; of each
    stride from ``finest`` on the last one if None. coarser, norm: of ``FeaturePyramid``.
    frozen_norms, norm_epsilon: of ``Backbone``.
    """

    backbone: str
    stages: Sequence[str] | None
    finest: int
    coarser: str
    norm: bool
    frozen_norms: bool
    norm_epsilon: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> list[jax.Array]:
        """x: float[B, H, W, 3]; returns float[B, h, w, 256] each, the finest first."""
        network = backbone_of(self.backbone, dtype=self.dtype)
        stages = self.stages or _stages(network, self.finest)
        body = Backbone(network, stages, frozen_norms=self.frozen_norms, norm_epsilon=self.norm_epsilon, name="body")
        maps = body(x, train=train)
        pyramid = FeaturePyramid(coarser=self.coarser, norm=self.norm, dtype=self.dtype, name="fpn")
        return pyramid([maps[stage] for stage in stages], train=train)


class Detector(nn.Module):
    """Fields of every detector. Images are as prepared by ``detection.resize``: their shorter side is ``min_size``
    pixels, but the longer one at most ``max_size``.

    backbone, stages: see ``BackboneWithPyramid``. num_classes: with the background, the class 0, as in torchvision.
    frozen_norms: whether the backbone's batch norms stay as its weights have them, see ``nn.FrozenBatchNorm``.
    norm_epsilon: added to their variances, also of a backbone whose own is another; torchvision's first weights for
    COCO are for 0.
    version: 1, or 2 for the networks that torchvision calls improved.
    """

    backbone: str = "resnet50"
    num_classes: int = 91
    stages: Sequence[str] | None = None
    frozen_norms: bool = True
    norm_epsilon: float = 1e-5
    version: int = 1
    min_size: int = 800
    max_size: int = 1333
    dtype: DTypeLike = jnp.float32

    takes_targets = True  # in training, and returns its losses

    @property
    def pytorch_names(self) -> Mapping[str, str]:
        """For ``transfer.conversion``: torchvision takes a backbone out of its ``features``."""
        return torchvision_names(self.clone(parent=None))

    def maps(self, images: jax.Array, *, train: bool, coarser: str, finest: int, norm: bool = False) -> list[jax.Array]:
        """The pyramid's maps, for use in ``__call__``. Raises UserError for a backbone that has none."""
        pyramid = BackboneWithPyramid(
            self.backbone,
            self.stages,
            finest,
            coarser,
            norm,
            self.frozen_norms,
            self.norm_epsilon,
            self.dtype,
            name="backbone",
        )
        return pyramid(images, train=train)


def in_full(x: jax.Array) -> jax.Array:
    """x in float32, or in float64 if it is: of less, scores and boxes would lose their order and their places."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _stages(network: nn.Module, finest: int) -> tuple[str, ...]:
    """The last stage of each stride from ``finest`` on, the finest first."""
    last = {stride: stage for stage, stride in course(network).strides.items() if stride >= finest}
    if not last:
        raise UserError(
            f"{type(network).__name__} has no map of stride {finest} or more: it is no backbone for a pyramid."
        )
    return tuple(last.values())


@functools.cache
def torchvision_names(model: nn.Module) -> dict[str, str]:
    """Of the layers below ``backbone.body.features.``, torchvision's names, which are without ``features``."""
    variables = initial_values.shapes(model, jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32))
    layers, long = {layer_of(path) for path in flat(variables)}, "backbone.body.features."
    return {layer: layer.replace(long, "backbone.body.", 1) for layer in layers if layer.startswith(long)}
