"""GoogLeNet (Szegedy et al. 2014): modules of convolutions of several sizes side by side, here with batch norm.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.nn import (
    Conv,
    Dense,
    adaptive_average_pool,
    batch_norm,
    flatten,
    global_average_pool,
    initializers,
    max_pool,
)

# of each module: the 1x1 branch; the two branches of 1x1 and then 3x3; the branch of pooling and then 1x1
MODULES = {
    "inception3a": (64, (96, 128), (16, 32), 32),
    "inception3b": (128, (128, 192), (32, 96), 64),
    "inception4a": (192, (96, 208), (16, 48), 64),
    "inception4b": (160, (112, 224), (24, 64), 64),
    "inception4c": (128, (128, 256), (24, 64), 64),
    "inception4d": (112, (144, 288), (32, 64), 64),
    "inception4e": (256, (160, 320), (32, 128), 128),
    "inception5a": (256, (160, 320), (32, 128), 128),
    "inception5b": (384, (192, 384), (48, 128), 128),
}
POOLING_BEFORE = {"inception3a": 3, "inception4a": 3, "inception5a": 2}  # the window's size
AUXILIARY_AFTER = {"inception4a": "aux1", "inception4d": "aux2"}


class ConvNorm(nn.Module):
    """A convolution, batch norm, ReLU.

    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    kernel_size: Sequence[int]
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    stride: int = 1
    padding: int | Sequence[int] = 0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.conv(self.features, self.kernel_size, stride=self.stride, padding=self.padding, name="conv")(x)
        return nn.relu(self.norm(name="bn")(x))


class Inception(nn.Module):
    """Four branches side by side: a 1x1 convolution, two of 1x1 and then 3x3, and 3x3 max pooling and then 1x1.

    The third branch's window is 5x5 in the paper, and 3x3 in torchvision and its weights.
    widths: the features of each, as in ``MODULES``.
    layer: ``partial(ConvNorm, ...)``, with the arguments common to all layers fixed.
    """

    widths: tuple[int, tuple[int, int], tuple[int, int], int]
    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        first, second, third, fourth = self.widths
        branches = [self.layer(first, (1, 1), name="branch1")(x)]
        for name, (reduced, width) in (("branch2", second), ("branch3", third)):
            y = self.layer(reduced, (1, 1), name=f"{name}.0")(x)
            branches.append(self.layer(width, (3, 3), padding=1, name=f"{name}.1")(y))
        y = max_pool(x, 3, stride=1, padding=1)
        branches.append(self.layer(fourth, (1, 1), name="branch4.1")(y))
        return jnp.concatenate(branches, axis=-1)


class AuxiliaryClassifier(nn.Module):
    """Means of a 4x4 grid, a 1x1 convolution, two linear layers.

    layer, dense: partial layer classes, with the arguments common to all layers fixed.
    """

    num_classes: int
    dropout: float
    layer: Callable[..., nn.Module]
    dense: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> None:
        """Sows its logits, float32[B, num_classes], into the collection "auxiliary" in training."""
        x = flatten(self.layer(128, (1, 1), name="conv")(adaptive_average_pool(x, 4)))
        x = nn.relu(self.dense(1024, name="fc1")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        logits = self.dense(self.num_classes, name="fc2")(x).astype(jnp.float32)
        if train and not self.is_initializing():
            self.sow("auxiliary", "logits", logits)


class GoogLeNet(nn.Module):
    """Three convolutions, nine inception modules with pooling between, global average pooling, one linear layer.

    auxiliary: whether classifiers ``aux1`` and ``aux2`` look at the modules 4a and 4d. They run in training, and sow
    their logits into the collection "auxiliary"; a training step adds their losses times ``auxiliary_weight``.
    dropout, auxiliary_dropout: the fractions dropped in training before the last linear layer of the network and of
    those classifiers; take the key "dropout".
    transform_input: for torchvision's ImageNet weights, which saw images in [-1, 1]: takes them normalised by
    ImageNet's mean and standard deviation, as other models do.
    stem: "imagenet", which divides the resolution by eight; or "cifar", for images of 32 pixels, by two: the first
    convolution has stride 1 and no pooling follows it, so that the modules see 16x16, 8x8 and 4x4; the parameters are
    the same.
    flattened: the images that linear layers see, for ``transfer.conversion``.
    """

    num_classes: int = 10
    auxiliary: bool = True
    auxiliary_weight: float = 0.3
    dropout: float = 0.2
    auxiliary_dropout: float = 0.7
    transform_input: bool = False
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    flattened = MappingProxyType({"aux1.fc1": (4, 4, 128), "aux2.fc1": (4, 4, 128)})

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3] of at least 15 pixels; returns float32[B, num_classes].

        With ``features`` also each module's output, as ``inception3a`` to ``inception5b``. Raises UserError for an
        unknown stem.
        """
        # torchvision cuts the normal off at +-2, two hundred deviations, where no draw comes
        init = initializers.normal(0.01)
        layer = partial(
            ConvNorm,
            conv=partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=init),
            norm=batch_norm(train=train, epsilon=1e-3, dtype=self.dtype),
        )
        dense = partial(Dense, dtype=self.dtype, kernel_init=init)
        if self.transform_input:
            x = normalised_to_symmetric(x)
        if is_cifar(self.stem):
            x = layer(64, (7, 7), padding=3, name="conv1")(x)
        else:
            x = layer(64, (7, 7), stride=2, padding=3, name="conv1")(x)
            x = max_pool(x, 3, stride=2, ceil_mode=True)
        x = layer(64, (1, 1), name="conv2")(x)
        x = layer(192, (3, 3), padding=1, name="conv3")(x)
        modules = {}
        for name, widths in MODULES.items():
            if name in POOLING_BEFORE:
                x = max_pool(x, POOLING_BEFORE[name], stride=2, ceil_mode=True)
            x = modules[name] = Inception(widths, layer, name=name)(x)
            if self.auxiliary and name in AUXILIARY_AFTER and (train or self.is_initializing()):
                classifier = AuxiliaryClassifier(
                    self.num_classes, self.auxiliary_dropout, layer, dense, name=AUXILIARY_AFTER[name]
                )
                classifier(x, train=train)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        logits = dense(self.num_classes, name="fc")(x).astype(jnp.float32)
        return (logits, modules) if features else logits


def normalised_to_symmetric(x: jax.Array) -> jax.Array:
    """Rescales images normalised by ImageNet's mean and standard deviation to [-1, 1]: float[B, H, W, 3]."""
    mean = jnp.array([0.485, 0.456, 0.406], x.dtype).reshape(1, 1, 1, 3)
    std = jnp.array([0.229, 0.224, 0.225], x.dtype).reshape(1, 1, 1, 3)
    return 2 * (x * std + mean) - 1


googlenet = GoogLeNet
