"""The segmenter that is compared: LR-ASPP on MobileNet v2, in linen's own layers and as torchvision builds it.

A form imports what it needs in the function, as in ``networks``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flax.linen
    import torch
    from jax.typing import DTypeLike

CLASSES = 11
LOW, HIGH = 6, 17  # blocks whose maps are taken, of 32 and of 320 features
# of each stage: the expansion of its blocks, their features, how many there are, and the stride of the first
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def lraspp_flax(dtype: "DTypeLike") -> "flax.linen.Module":
    """Howard et al. 2019, on Sandler et al. 2018; names are torchvision's."""
    from functools import partial

    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    conv = partial(nn.Conv, use_bias=False, dtype=dtype)

    def enlarged(x, like):
        return jax.image.resize(x, (len(x), *like.shape[1:3], x.shape[-1]), "bilinear", antialias=False)

    class Block(nn.Module):
        features: int
        stride: int
        expansion: int

        @nn.compact
        def __call__(self, x, *, train):
            norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=dtype)
            y, wide, at = x, x.shape[-1] * self.expansion, 0
            if self.expansion > 1:
                y = nn.relu6(norm(name="conv.0.1")(conv(wide, (1, 1), name="conv.0.0")(y)))
                at = 1
            y = conv(wide, (3, 3), self.stride, padding=1, feature_group_count=wide, name=f"conv.{at}.0")(y)
            y = nn.relu6(norm(name=f"conv.{at}.1")(y))
            y = norm(name=f"conv.{at + 2}")(conv(self.features, (1, 1), name=f"conv.{at + 1}")(y))
            return x + y if x.shape == y.shape else y

    class Backbone(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=dtype)
            x = conv(32, (3, 3), 2, padding=1, name="features.0.0")(x)
            x, maps = nn.relu6(norm(name="features.0.1")(x)), [None]
            for expansion, features, count, stride in STAGES:
                for index in range(count):
                    block = Block(features, stride if index == 0 else 1, expansion, name=f"features.{len(maps)}")
                    maps.append(x := block(x, train=train))
            return maps[LOW], maps[HIGH]

    class Head(nn.Module):
        @nn.compact
        def __call__(self, low, high, *, train):
            norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=dtype)
            x = nn.relu(norm(name="cbr.1")(conv(128, (1, 1), name="cbr.0")(high)))
            x *= nn.sigmoid(conv(128, (1, 1), name="scale.1")(high.mean((1, 2), keepdims=True)))
            of_low = nn.Conv(CLASSES, (1, 1), dtype=dtype, name="low_classifier")(low)
            return of_low + nn.Conv(CLASSES, (1, 1), dtype=dtype, name="high_classifier")(enlarged(x, low))

    class Segmenter(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            low, high = Backbone(name="backbone")(x, train=train)
            return enlarged(Head(name="classifier")(low, high, train=train).astype(jnp.float32), x)

    return Segmenter()


def lraspp_pytorch() -> "torch.nn.Module":
    """torchvision's own layers."""
    from torch import nn

    from experiments.benchmark.torch_device import torchvision

    models = torchvision().models
    features = models.mobilenet_v2().features
    backbone = models._utils.IntermediateLayerGetter(features, {str(LOW): "low", str(HIGH): "high"})

    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = models.segmentation.LRASPP(backbone, 32, 320, CLASSES)

        def forward(self, x):
            return self.network(x)["out"]

    return Segmenter()
