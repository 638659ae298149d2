"""AlexNet in the form of "One weird trick for parallelizing convolutional neural networks" (Krizhevsky 2014).

Parameters are named as in torchvision: a path joined by dots is the name there.
"""

from functools import partial
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.errors import UserError
from jaxdl.models.stems import is_cifar
from jaxdl.nn import Conv, Dense, adaptive_average_pool, flatten, max_pool

LEAST = {"cifar": 21, "imagenet": 63}  # pixels that leave one place to each window


class AlexNet(nn.Module):
    """Five convolutions, three of them followed by 3x3 max pooling, and three linear layers.

    dropout: the fraction dropped before each of the two hidden linear layers in training; takes the key "dropout".
    stem: "imagenet", a first convolution of stride 4; or "cifar", for images of 32 pixels, where it has stride 1; the
    parameters are the same.
    flattened: the image that the first linear layer sees, for ``transfer.conversion``.
    """

    num_classes: int = 10
    dropout: float = 0.5
    stem: str = "imagenet"
    dtype: DTypeLike = jnp.float32

    flattened = MappingProxyType({"classifier.1": (6, 6, 256)})

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, features: bool = False
    ) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
        """x: float[B, H, W, 3] of at least 63 pixels, or 21 for the stem "cifar"; returns float32[B, num_classes].

        With ``features`` also each convolution's output after its ReLU, as ``conv1`` to ``conv5``. Raises
        UserError for smaller images and an unknown stem.
        """
        cifar = is_cifar(self.stem)
        if min(x.shape[1:3]) < LEAST[self.stem]:
            hint = "" if cifar else '; stem="cifar" is for images of 32'
            raise UserError(f"alexnet needs images of at least {LEAST[self.stem]} pixels, got {x.shape}{hint}.")
        conv, dense = partial(Conv, dtype=self.dtype), partial(Dense, dtype=self.dtype)
        layers = [
            conv(64, (11, 11), stride=1 if cifar else 4, padding=2, name="features.0"),
            conv(192, (5, 5), padding=2, name="features.3"),
            conv(384, (3, 3), padding=1, name="features.6"),
            conv(256, (3, 3), padding=1, name="features.8"),
            conv(256, (3, 3), padding=1, name="features.10"),
        ]
        stages = {}
        for number, layer in enumerate(layers, start=1):
            x = stages[f"conv{number}"] = nn.relu(layer(x))
            if number in (1, 2, 5):
                x = max_pool(x, 3, stride=2)
        x = flatten(adaptive_average_pool(x, 6))
        for name in ("classifier.1", "classifier.4"):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = nn.relu(dense(4096, name=name)(x))
        logits = dense(self.num_classes, name="classifier.6")(x).astype(jnp.float32)
        return (logits, stages) if features else logits
