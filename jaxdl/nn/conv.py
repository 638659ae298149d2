"""Convolution with PyTorch's arguments, defaults and initialisation, over linen's."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.nn.initializers import pytorch_bias, pytorch_kernel
from jaxdl.nn.windows import PerAxis, check_batch, output_sizes, per_axis


class Conv(nn.Module):
    """``torch.nn.Conv1d``, ``Conv2d`` or ``Conv3d``: as many spatial axes as ``kernel_size`` has.

    Parameters ``kernel: [*kernel_size, C / groups, features]`` and ``bias: [features]``, named as by ``nn.Conv``, which
    does the work; but padding is explicit and 0 unless given, where ``nn.Conv`` pads to ``SAME``, and the initial
    values are drawn as PyTorch draws them.

    stride, padding, dilation: an integer, or one for each axis. Padding is with zeros, so many on either side.
    groups: number of groups into which features and channels are divided; as many as channels makes the convolution
    depthwise.
    bias_init: PyTorch's, which depends on the number of inputs, if None.
    Raises UserError for arguments out of range, a wrong number of axes and a wrong number of channels.
    """

    features: int
    kernel_size: Sequence[int]
    stride: PerAxis = 1
    padding: PerAxis = 0
    dilation: PerAxis = 1
    groups: int = 1
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32
    kernel_init: Initializer = pytorch_kernel
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[B, ..., C]; returns float[B, ..., features], its spatial axes as ``output_size`` has them."""
        axes = len(self.kernel_size)
        window = per_axis("kernel_size", self.kernel_size, axes, min=1)
        stride = per_axis("stride", self.stride, axes, min=1)
        padding = per_axis("padding", self.padding, axes, min=0)
        dilation = per_axis("dilation", self.dilation, axes, min=1)
        check_batch(x, axes)
        channels = x.shape[-1]
        if self.groups < 1 or channels % self.groups or self.features % self.groups:
            raise UserError(
                f"groups must divide the channels and the features, got groups {self.groups} for {channels} channels "
                f"and {self.features} features."
            )
        if self.has_variable("params", "kernel"):
            expected = self.get_variable("params", "kernel").shape[-2] * self.groups
            if channels != expected:
                raise UserError(f"x must have {expected} channels, which the kernel is for; got shape {x.shape}.")
        output_sizes(x, window, stride, padding, dilation)
        fan_in = math.prod(window) * channels // self.groups
        layer = nn.Conv(
            self.features,
            window,
            strides=stride,
            padding=[(pad, pad) for pad in padding],
            kernel_dilation=dilation,
            feature_group_count=self.groups,
            use_bias=self.use_bias,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init or pytorch_bias(fan_in=fan_in),
        )
        nn.share_scope(self, layer)
        return layer(x)


class DepthwiseSeparableConv(nn.Module):
    """Each channel convolved by itself, then all mixed by a 1x1 convolution (Howard et al. 2017, MobileNets).

    As ``Sequential(Conv2d(C, C, k, groups=C), Conv2d(C, features, 1))``: k^2 C + C features weights in place of the
    k^2 C features of the full convolution. The parameters lie under ``depthwise`` and ``pointwise``.
    """

    features: int
    kernel_size: Sequence[int]
    stride: PerAxis = 1
    padding: PerAxis = 0
    dilation: PerAxis = 1
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float[B, ..., C]; returns float[B, ..., features]."""
        channels = x.shape[-1]
        x = Conv(
            channels,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=channels,
            use_bias=self.use_bias,
            dtype=self.dtype,
            name="depthwise",
        )(x)
        ones = (1,) * len(self.kernel_size)
        return Conv(self.features, ones, use_bias=self.use_bias, dtype=self.dtype, name="pointwise")(x)
