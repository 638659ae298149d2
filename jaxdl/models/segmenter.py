"""The parts that networks for semantic segmentation share: a backbone, logits of each pixel, an auxiliary classifier.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

import functools
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl import initial_values
from jaxdl.models.backbone import Backbone, course
from jaxdl.models.creation import create
from jaxdl.nn import Conv, batch_norm
from jaxdl.variables import flat, layer_of

# The finer of two stages, of stride 8: for version 3 the first, which torchvision has chosen, for version 2 the last.
FINER = {"mobilenet_v2": "features.6", "mobilenet_v3_large": "features.4", "mobilenet_v3_small": "features.2"}


class FCNHead(nn.Module):
    """A 3x3 convolution to a quarter of the features, batch norm, ReLU, dropout, a 1x1 convolution to logits.

    Of Long et al. 2015 it is the idea alone: torchvision's ``FCNHead``.
    """

    num_classes: int
    dropout: float = 0.1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, h, w, C]; returns float[B, h, w, num_classes]."""
        x = Conv(x.shape[-1] // 4, (3, 3), padding=1, use_bias=False, dtype=self.dtype, name="0")(x)
        x = nn.relu(batch_norm(train=train, dtype=self.dtype)(name="1")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return Conv(self.num_classes, (1, 1), dtype=self.dtype, name="4")(x)


class Segmenter(nn.Module):
    """A backbone, of which subclasses classify each place of its maps.

    backbone: name of a classifier that gives maps, see ``models.names``.
    output_stride: pixels of the image for a place of the last map, see ``Backbone``.
    """

    backbone: str = "resnet50"
    num_classes: int = 21
    output_stride: int = 8
    dtype: DTypeLike = jnp.float32

    @property
    def pytorch_names(self) -> Mapping[str, str]:
        """For ``transfer.conversion``: torchvision takes a backbone out of its ``features``."""
        return torchvision_names(self.clone(parent=None))

    def maps(self, x: jax.Array, *, train: bool, finer: bool) -> list[jax.Array]:
        """The backbone's last map, float[B, h, w, C]; before it, if asked, the ``finer`` one. For use in ``__call__``.

        Raises UserError for a backbone that gives no maps, or cannot be dilated to ``output_stride``.
        """
        network = backbone_of(self.backbone, dtype=self.dtype)
        stages = stages_of(self.backbone, network)[0 if finer else 1 :]
        found = Backbone(network, stages, self.output_stride, name="backbone")(x, train=train)
        return [found[stage] for stage in stages]


class WithAuxiliary(Segmenter):
    """A segmenter of the last map's places, its logits enlarged to the image's pixels.

    auxiliary: whether an ``FCNHead`` looks at a finer stage. It sows its logits into the collection "auxiliary"; a
    training step adds its loss times ``auxiliary_weight``.
    dropout: the fraction dropped before the last layer in training; takes the key "dropout".
    """

    auxiliary: bool = True
    auxiliary_weight: float = 0.4
    dropout: float = 0.1

    def logits(self, x: jax.Array, head: nn.Module, *, train: bool) -> jax.Array:
        """float32[B, H, W, num_classes] of x: float[B, H, W, 3]; head: classifies places. Errors: as of ``maps``."""
        wanted = self.is_initializing() or self.is_mutable_collection("auxiliary")
        *finer, last = self.maps(x, train=train, finer=self.auxiliary and wanted)
        for each in finer:
            classifier = FCNHead(self.num_classes, dtype=self.dtype, name="aux_classifier")
            others = enlarged(classifier(each, train=train), x.shape[1:3])
            if not self.is_initializing():
                self.sow("auxiliary", "logits", others)
        return enlarged(head(last, train=train), x.shape[1:3])


def backbone_of(name: str, *, dtype: DTypeLike) -> nn.Module:
    """The classifier of that name, for photographs and without auxiliary classifiers of its own."""
    network = create(name, dtype=dtype)
    return network.clone(auxiliary=False) if hasattr(network, "auxiliary") else network


def enlarged(logits: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Interpolates float[B, h, w, C] linearly to float32[B, *size, C].

    ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)``.
    """
    shape = (logits.shape[0], *size, logits.shape[-1])
    return jax.image.resize(logits.astype(jnp.float32), shape, "bilinear", antialias=False)


def stages_of(name: str, network: nn.Module) -> tuple[str, str]:
    """The finer and the last stage of the network of that name: of the finer ones the last, if ``FINER`` has none."""
    strides = course(network).strides
    last = list(strides)[-1]
    return FINER.get(name) or [stage for stage, stride in strides.items() if stride < strides[last]][-1], last


@functools.cache
def torchvision_names(model: nn.Module) -> dict[str, str]:
    """Of the layers below ``backbone.features.``, the names that torchvision has for them, without ``features``."""
    variables = initial_values.shapes(model, jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32))
    layers, long = {layer_of(path) for path in flat(variables)}, "backbone.features."
    return {layer: layer.replace(long, "backbone.", 1) for layer in layers if layer.startswith(long)}
