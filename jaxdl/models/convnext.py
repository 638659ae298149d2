"""ConvNeXt (Liu et al. 2022): a residual network with a transformer's proportions, norms and activations.

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, StochasticDepth, global_average_pool, initializers

WINDOW = 7


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, norm, two linear layers on the channels, the first to four times as many; a shortcut.

    layer_scale: the value from which each channel's factor on the branch starts.
    drop_rate: stochastic depth: the fraction of examples that in training keep only the shortcut (Huang et al. 2016).
    """

    layer_scale: float
    drop_rate: float
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        channels = x.shape[-1]
        drawn = {
            "dtype": self.dtype,
            "kernel_init": initializers.normal(0.02),
            "bias_init": nn.initializers.zeros,
        }
        window = (WINDOW, WINDOW)
        y = Conv(channels, window, padding=WINDOW // 2, groups=channels, name="block.0", **drawn)(x)
        y = nn.LayerNorm(epsilon=1e-6, dtype=self.dtype, name="block.2")(y)
        y = nn.gelu(Dense(4 * channels, name="block.3", **drawn)(y), approximate=False)
        y = Dense(channels, name="block.5", **drawn)(y)
        # of PyTorch's shape, channels first
        scale = self.param("layer_scale", nn.initializers.constant(self.layer_scale), (channels, 1, 1))
        y = y * scale.astype(self.dtype).reshape(1, 1, 1, channels)
        return x + StochasticDepth(self.drop_rate, name="stochastic_depth")(y, train=train)


class ConvNeXt(nn.Module):
    """Patches of 4x4 pixels, four stages of blocks, between them half the resolution, their mean, one linear layer.

    sizes, widths: number of blocks of each stage, and their features.
    stochastic_depth: the fraction of examples that in training skip a block rises by blocks from 0 to it; takes the key
    "dropout". layer_scale: see the block.
    stem: "imagenet", a 4x4 convolution that divides the resolution by four; or "cifar", one 3x3 convolution, for images
    of 32 pixels.
    """

    sizes: Sequence[int]
    widths: Sequence[int]
    stochastic_depth: float = 0.0
    layer_scale: float = 1e-6
    num_classes: int = 10
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3]; returns float32[B, num_classes], with ``features`` also each stage's output. In
        training needs a key named "dropout". Raises UserError for an unknown stem."""
        # torchvision cuts this normal at +-2, which is a hundred deviations
        drawn = {
            "dtype": self.dtype,
            "kernel_init": initializers.normal(0.02),
            "bias_init": nn.initializers.zeros,
        }
        norm = partial(nn.LayerNorm, epsilon=1e-6, dtype=self.dtype)
        if is_cifar(self.stem):
            x = Conv(self.widths[0], (3, 3), padding=1, name="features.0.0", **drawn)(x)
        else:
            x = Conv(self.widths[0], (4, 4), stride=4, name="features.0.0", **drawn)(x)
        x = norm(name="features.0.1")(x)
        stages, done = {}, 0
        for stage, (blocks, width) in enumerate(zip(self.sizes, self.widths, strict=True)):
            if stage > 0:
                x = norm(name=f"features.{2 * stage}.0")(x)
                x = Conv(width, (2, 2), stride=2, name=f"features.{2 * stage}.1", **drawn)(x)
            for index in range(blocks):
                rate = self.stochastic_depth * done / max(1, sum(self.sizes) - 1)
                name = f"features.{2 * stage + 1}.{index}"
                x, done = ConvNeXtBlock(self.layer_scale, rate, self.dtype, name=name)(x, train=train), done + 1
            stages[f"features.{2 * stage + 1}"] = x
        x = norm(name="classifier.0")(global_average_pool(x))
        logits = Dense(self.num_classes, name="classifier.2", **drawn)(x).astype(jnp.float32)
        return (logits, stages) if features else logits


convnext_tiny = partial(ConvNeXt, (3, 3, 9, 3), (96, 192, 384, 768), stochastic_depth=0.1)
convnext_small = partial(ConvNeXt, (3, 3, 27, 3), (96, 192, 384, 768), stochastic_depth=0.4)
convnext_base = partial(ConvNeXt, (3, 3, 27, 3), (128, 256, 512, 1024), stochastic_depth=0.5)
convnext_large = partial(ConvNeXt, (3, 3, 27, 3), (192, 384, 768, 1536), stochastic_depth=0.5)
