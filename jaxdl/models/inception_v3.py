"""Inception v3 (Szegedy et al. 2015): modules of convolutions side by side, large windows made of small ones.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.models.googlenet import ConvNorm, normalised_to_symmetric
from jaxdl.models.stems import is_cifar
from jaxdl.nn import (
    Conv,
    Dense,
    adaptive_average_pool,
    average_pool,
    batch_norm,
    global_average_pool,
    initializers,
    max_pool,
)

LEAST = {"cifar": 13, "imagenet": 75}  # pixels that leave one place to each window


class InceptionA(nn.Module):
    """1x1, 5x5, two of 3x3, and 3x3 average pooling: 224 features and those of the pooled branch.

    layer: ``partial(ConvNorm, ...)``, with the arguments common to all layers fixed.
    """

    pooled: int
    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        layer = self.layer
        single = layer(64, (1, 1), name="branch1x1")(x)
        wide = layer(48, (1, 1), name="branch5x5_1")(x)
        wide = layer(64, (5, 5), padding=2, name="branch5x5_2")(wide)
        double = layer(64, (1, 1), name="branch3x3dbl_1")(x)
        double = layer(96, (3, 3), padding=1, name="branch3x3dbl_2")(double)
        double = layer(96, (3, 3), padding=1, name="branch3x3dbl_3")(double)
        pooled = layer(self.pooled, (1, 1), name="branch_pool")(average_pool(x, 3, stride=1, padding=1))
        return jnp.concatenate([single, wide, double, pooled], axis=-1)


class InceptionB(nn.Module):
    """3x3, two of 3x3, and 3x3 max pooling, all of stride 2: 480 features more, half the resolution.

    layer: ``partial(ConvNorm, ...)``, with the arguments common to all layers fixed.
    """

    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        layer = self.layer
        single = layer(384, (3, 3), stride=2, name="branch3x3")(x)
        double = layer(64, (1, 1), name="branch3x3dbl_1")(x)
        double = layer(96, (3, 3), padding=1, name="branch3x3dbl_2")(double)
        double = layer(96, (3, 3), stride=2, name="branch3x3dbl_3")(double)
        return jnp.concatenate([single, double, max_pool(x, 3, stride=2)], axis=-1)


class InceptionC(nn.Module):
    """1x1, 7x7, two of 7x7, and 3x3 average pooling: 768 features; 7x7 is 1x7 and 7x1 one after the other.

    width: the features between the convolutions of the 7x7 branches.
    layer: ``partial(ConvNorm, ...)``, with the arguments common to all layers fixed.
    """

    width: int
    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        layer, width = self.layer, self.width
        row, column = (
            partial(layer, kernel_size=(1, 7), padding=(0, 3)),
            partial(layer, kernel_size=(7, 1), padding=(3, 0)),
        )
        single = layer(192, (1, 1), name="branch1x1")(x)
        wide = layer(width, (1, 1), name="branch7x7_1")(x)
        wide = row(width, name="branch7x7_2")(wide)
        wide = column(192, name="branch7x7_3")(wide)
        double = layer(width, (1, 1), name="branch7x7dbl_1")(x)
        double = column(width, name="branch7x7dbl_2")(double)
        double = row(width, name="branch7x7dbl_3")(double)
        double = column(width, name="branch7x7dbl_4")(double)
        double = row(192, name="branch7x7dbl_5")(double)
        pooled = layer(192, (1, 1), name="branch_pool")(average_pool(x, 3, stride=1, padding=1))
        return jnp.concatenate([single, wide, double, pooled], axis=-1)


class InceptionD(nn.Module):
    """3x3, 7x7 and then 3x3, and 3x3 max pooling, all of stride 2: 512 features more, half the resolution.

    layer: ``partial(ConvNorm, ...)``, with the arguments common to all layers fixed.
    """

    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        layer = self.layer
        single = layer(192, (1, 1), name="branch3x3_1")(x)
        single = layer(320, (3, 3), stride=2, name="branch3x3_2")(single)
        wide = layer(192, (1, 1), name="branch7x7x3_1")(x)
        wide = layer(192, (1, 7), padding=(0, 3), name="branch7x7x3_2")(wide)
        wide = layer(192, (7, 1), padding=(3, 0), name="branch7x7x3_3")(wide)
        wide = layer(192, (3, 3), stride=2, name="branch7x7x3_4")(wide)
        return jnp.concatenate([single, wide, max_pool(x, 3, stride=2)], axis=-1)


class InceptionE(nn.Module):
    """1x1, 3x3, two of 3x3, and 3x3 average pooling: 2048 features; the last 3x3 is 1x3 and 3x1 side by side.

    layer: ``partial(ConvNorm, ...)``, with the arguments common to all layers fixed.
    """

    layer: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        layer = self.layer
        row, column = partial(layer, 384, (1, 3), padding=(0, 1)), partial(layer, 384, (3, 1), padding=(1, 0))
        one = layer(320, (1, 1), name="branch1x1")(x)
        single = layer(384, (1, 1), name="branch3x3_1")(x)
        single = [row(name="branch3x3_2a")(single), column(name="branch3x3_2b")(single)]
        double = layer(448, (1, 1), name="branch3x3dbl_1")(x)
        double = layer(384, (3, 3), padding=1, name="branch3x3dbl_2")(double)
        double = [row(name="branch3x3dbl_3a")(double), column(name="branch3x3dbl_3b")(double)]
        pooled = layer(192, (1, 1), name="branch_pool")(average_pool(x, 3, stride=1, padding=1))
        return jnp.concatenate([one, *single, *double, pooled], axis=-1)


class AuxiliaryClassifier(nn.Module):
    """Average pooling to 5x5, a 1x1 and a 5x5 convolution, their mean, one linear layer.

    The pooling has windows of 5 and stride 3, for features of at least 17x17, as of images of 299 pixels; smaller ones,
    which torchvision rejects, are pooled to 5x5 adaptively.
    layer, dense: partial layer classes, with the arguments common to all layers fixed.
    """

    num_classes: int
    layer: Callable[..., nn.Module]
    dense: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> None:
        """Sows its logits, float32[B, num_classes], into the collection "auxiliary" in training."""
        x = average_pool(x, 5, stride=3) if min(x.shape[1:3]) >= 17 else adaptive_average_pool(x, 5)
        x = self.layer(128, (1, 1), name="conv0")(x)
        x = global_average_pool(self.layer(768, (5, 5), name="conv1")(x))
        init = initializers.normal(0.001)
        logits = self.dense(self.num_classes, kernel_init=init, name="fc")(x).astype(jnp.float32)
        if train and not self.is_initializing():
            self.sow("auxiliary", "logits", logits)


class InceptionV3(nn.Module):
    """Five convolutions, eleven inception modules, global average pooling, one linear layer.

    auxiliary: whether a classifier ``AuxLogits`` looks at the module 6e. It runs in training, and sows its logits into
    the collection "auxiliary"; a training step adds their loss times ``auxiliary_weight``.
    dropout: the fraction dropped before the last linear layer in training; takes the key "dropout".
    transform_input: for torchvision's ImageNet weights, which saw images in [-1, 1]: takes them normalised by
    ImageNet's mean and standard deviation, as other models do.
    stem: "imagenet", which divides the resolution by eight; or "cifar", for images of 32 pixels, without its stride and
    its pooling, so that the first module sees 26x26; the parameters are the same.
    """

    num_classes: int = 10
    auxiliary: bool = True
    auxiliary_weight: float = 0.4
    dropout: float = 0.5
    transform_input: bool = False
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3] of at least 75 pixels, or 13 for the stem "cifar"; returns float32[B, num_classes].

        With ``features`` also each module's output, as ``Mixed_5b`` to ``Mixed_7c``. Raises UserError for smaller
        images and an unknown stem.
        """
        cifar = is_cifar(self.stem)
        if min(x.shape[1:3]) < LEAST[self.stem]:
            hint = "" if cifar else '; stem="cifar" is for images of 32'
            raise UserError(f"inception_v3 needs images of at least {LEAST[self.stem]} pixels, got {x.shape}{hint}.")
        # torchvision cuts the normal off at +-2, twenty deviations, where no draw comes
        init = initializers.normal(0.1)
        layer = partial(
            ConvNorm,
            conv=partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=init),
            norm=batch_norm(train=train, epsilon=1e-3, dtype=self.dtype),
        )
        dense = partial(Dense, dtype=self.dtype, kernel_init=init)
        if self.transform_input:
            x = normalised_to_symmetric(x)
        x = layer(32, (3, 3), stride=1 if cifar else 2, name="Conv2d_1a_3x3")(x)
        x = layer(32, (3, 3), name="Conv2d_2a_3x3")(x)
        x = layer(64, (3, 3), padding=1, name="Conv2d_2b_3x3")(x)
        x = x if cifar else max_pool(x, 3, stride=2)
        x = layer(80, (1, 1), name="Conv2d_3b_1x1")(x)
        x = layer(192, (3, 3), name="Conv2d_4a_3x3")(x)
        x = x if cifar else max_pool(x, 3, stride=2)
        modules = {
            "Mixed_5b": partial(InceptionA, 32),
            "Mixed_5c": partial(InceptionA, 64),
            "Mixed_5d": partial(InceptionA, 64),
            "Mixed_6a": InceptionB,
            "Mixed_6b": partial(InceptionC, 128),
            "Mixed_6c": partial(InceptionC, 160),
            "Mixed_6d": partial(InceptionC, 160),
            "Mixed_6e": partial(InceptionC, 192),
            "Mixed_7a": InceptionD,
            "Mixed_7b": InceptionE,
            "Mixed_7c": InceptionE,
        }
        outputs = {}
        for name, module in modules.items():
            x = outputs[name] = module(layer, name=name)(x)
            if self.auxiliary and name == "Mixed_6e" and (train or self.is_initializing()):
                AuxiliaryClassifier(self.num_classes, layer, dense, name="AuxLogits")(x, train=train)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        logits = dense(self.num_classes, name="fc")(x).astype(jnp.float32)
        return (logits, outputs) if features else logits


inception_v3 = InceptionV3
