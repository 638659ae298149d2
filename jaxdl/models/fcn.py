"""Fully convolutional networks (Long et al. 2015): a classifier whose linear layer is a 1x1 convolution.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from functools import partial

import flax.linen as nn
import jax

from jaxdl.models.segmenter import FCNHead, WithAuxiliary


class FCN(WithAuxiliary):
    """A fully convolutional network (Long et al. 2015), as torchvision has it: its ``fcn_resnet50``."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: float[B, H, W, 3]; returns float32[B, H, W, num_classes]. In training needs a key named "dropout"."""
        head = FCNHead(self.num_classes, self.dropout, self.dtype, name="classifier")
        return self.logits(x, head, train=train)


fcn_resnet50 = partial(FCN, backbone="resnet50")
fcn_resnet101 = partial(FCN, backbone="resnet101")
