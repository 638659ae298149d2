"""Inverted residuals that MobileNet v3 and EfficientNet are made of, and the squeeze-excitation in them.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax

from jaxdl.nn import StochasticDepth

Activation = Callable[[jax.Array], jax.Array]


def round_channels(channels: float, multiple: int = 8) -> int:
    """The multiple of 8, or of ``multiple``, nearest to ``channels``: at least one time it, and never less than nine
    tenths of ``channels`` (Sandler et al. 2018)."""
    nearest = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return nearest + multiple if nearest < 0.9 * channels else nearest


class SqueezeExcitation(nn.Module):
    """Each channel scaled by a gate that all channels' means decide (Hu et al. 2018).

    squeezed: features of the layer between means and gates, which ``activation`` follows; ``gate`` follows the last.
    conv: a partial 1x1 convolution with bias, given its features.
    """

    squeezed: int
    activation: Activation
    gate: Activation
    conv: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        means = x.mean((1, 2), keepdims=True)
        y = self.activation(self.conv(self.squeezed, (1, 1), use_bias=True, name="fc1")(means))
        return x * self.gate(self.conv(x.shape[-1], (1, 1), use_bias=True, name="fc2")(y))


class InvertedResidual(nn.Module):
    """1x1 convolution to ``expanded`` features, depthwise, squeeze-excitation, 1x1 without activation; a shortcut where
    the shape stays (Sandler et al. 2018, Howard et al. 2019).

    expanded: if equal to the number of input channels, there is no first convolution.
    squeezed: of the squeeze-excitation, 0 for none; ``squeeze_activation`` and ``gate`` are its functions.
    drop_rate: stochastic depth: the fraction of examples that in training keep only the shortcut (Huang et al. 2016).
    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    kernel_size: int
    stride: int
    expanded: int
    squeezed: int
    activation: Activation
    squeeze_activation: Activation
    gate: Activation
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    drop_rate: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        channels, y, index = x.shape[-1], x, 0
        if self.expanded != channels:
            y = self.norm(name="block.0.1")(self.conv(self.expanded, (1, 1), name="block.0.0")(y))
            y, index = self.activation(y), 1
        window, padding = (self.kernel_size, self.kernel_size), self.kernel_size // 2
        y = self.conv(
            self.expanded,
            window,
            stride=self.stride,
            padding=padding,
            groups=self.expanded,
            name=f"block.{index}.0",
        )(y)
        y = self.activation(self.norm(name=f"block.{index}.1")(y))
        if self.squeezed:
            index += 1
            name = f"block.{index}"
            y = SqueezeExcitation(self.squeezed, self.squeeze_activation, self.gate, self.conv, name=name)(y)
        index += 1
        y = self.norm(name=f"block.{index}.1")(self.conv(self.features, (1, 1), name=f"block.{index}.0")(y))
        if self.stride != 1 or channels != self.features:
            return y
        # a layer's name is part of its key: this one keeps the draws of the networks that had linen's layer here
        return x + StochasticDepth(self.drop_rate, name="Dropout_0")(y, train=train)


class FusedInvertedResidual(nn.Module):
    """One full convolution to ``expanded`` features in place of the 1x1 and the depthwise one, 1x1 without activation;
    a shortcut where the shape stays (Tan and Le 2021).

    expanded: if equal to the number of input channels, the full convolution is the only one.
    drop_rate: stochastic depth: the fraction of examples that in training keep only the shortcut (Huang et al. 2016).
    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    kernel_size: int
    stride: int
    expanded: int
    activation: Activation
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    drop_rate: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        channels, window = x.shape[-1], (self.kernel_size, self.kernel_size)
        fused = partial(self.conv, kernel_size=window, stride=self.stride, padding=self.kernel_size // 2)
        widens = self.expanded != channels
        y = fused(self.expanded if widens else self.features, name="block.0.0")(x)
        y = self.activation(self.norm(name="block.0.1")(y))
        if widens:
            y = self.norm(name="block.1.1")(self.conv(self.features, (1, 1), name="block.1.0")(y))
        if self.stride != 1 or channels != self.features:
            return y
        return x + StochasticDepth(self.drop_rate, name="stochastic_depth")(y, train=train)
