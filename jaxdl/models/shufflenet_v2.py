"""ShuffleNet v2 (Ma et al. 2018): units convolve half the channels, pass on the rest, and shuffle both.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, batch_norm, channel_shuffle, global_average_pool, max_pool

SIZES = (4, 8, 4)  # units of stages two, three and four


class ShuffleUnit(nn.Module):
    """1x1 convolution, 3x3 depthwise and 1x1 on half the channels, beside the other half, and the two shuffled.

    With a stride of 2 both halves are made of all the channels, the second by 3x3 depthwise and 1x1.
    conv, norm: partial layer classes, with the arguments common to all layers fixed.
    """

    features: int
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        half = self.features // 2
        if self.stride == 1:
            kept, x = jnp.split(x, 2, axis=-1)
        else:
            kept = self.norm(name="branch1.1")(self._depthwise("branch1.0", x))
            kept = nn.relu(self.norm(name="branch1.3")(self.conv(half, (1, 1), name="branch1.2")(kept)))
        x = nn.relu(self.norm(name="branch2.1")(self.conv(half, (1, 1), name="branch2.0")(x)))
        x = self.norm(name="branch2.4")(self._depthwise("branch2.3", x))
        x = nn.relu(self.norm(name="branch2.6")(self.conv(half, (1, 1), name="branch2.5")(x)))
        return channel_shuffle(jnp.concatenate([kept, x], axis=-1), 2)

    def _depthwise(self, name: str, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        return self.conv(channels, (3, 3), stride=self.stride, padding=1, groups=channels, name=name)(x)


class ShuffleNetV2(nn.Module):
    """A 3x3 convolution, three stages that each halve the resolution, a 1x1 convolution, its mean, one linear layer.

    widths: the features of the three stages and of the last convolution.
    stem: "imagenet", which divides the resolution by four; or "cifar", for images of 32 pixels, where the first
    convolution has stride 1 and no pooling follows; the parameters are the same.
    """

    widths: Sequence[int]
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output.
        Raises UserError for an unknown stem."""
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = batch_norm(train=train, dtype=self.dtype)
        cifar = is_cifar(self.stem)
        x = conv(24, (3, 3), stride=1 if cifar else 2, padding=1, name="conv1.0")(x)
        x = nn.relu(norm(name="conv1.1")(x))
        if not cifar:
            x = max_pool(x, 3, stride=2, padding=1)
        stages = {}
        for stage, (width, units) in enumerate(zip(self.widths[:-1], SIZES, strict=True), start=2):
            for index in range(units):
                x = ShuffleUnit(width, 2 if index == 0 else 1, conv, norm, name=f"stage{stage}.{index}")(x)
            stages[f"stage{stage}"] = x
        x = nn.relu(norm(name="conv5.1")(conv(self.widths[-1], (1, 1), name="conv5.0")(x)))
        logits = Dense(self.num_classes, dtype=self.dtype, name="fc")(global_average_pool(x)).astype(jnp.float32)
        return (logits, stages) if features else logits


shufflenet_v2_x0_5 = partial(ShuffleNetV2, (48, 96, 192, 1024))
shufflenet_v2_x1_0 = partial(ShuffleNetV2, (116, 232, 464, 1024))
shufflenet_v2_x1_5 = partial(ShuffleNetV2, (176, 352, 704, 1024))
shufflenet_v2_x2_0 = partial(ShuffleNetV2, (244, 488, 976, 2048))
