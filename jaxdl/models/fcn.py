"""Fully convolutional networks (Long et al. 2015): a classifier whose linear layer is a 1x1 convolution.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from functools import partial

import jax

from jaxdl.models.segmenter import FCNHead, Segmenter


class FCN(Segmenter):
    """A fully convolutional network (Long et al. 2015), as torchvision has it: its ``fcn_resnet50``."""

    def head(self, x: jax.Array, train: bool) -> jax.Array:
        """x: float[B, h, w, C]; returns float[B, h, w, num_classes]."""
        return FCNHead(self.num_classes, self.dropout, self.dtype, name="classifier")(x, train=train)


fcn_resnet50 = partial(FCN, backbone="resnet50")
fcn_resnet101 = partial(FCN, backbone="resnet101")
