"""A trained network as one file that runs without this library: ``jax.export``'s form, weights within.

    served = jax.export.deserialize(Path("model.jaxexport").read_bytes())
    probabilities = served.call(images)  # images: uint8[B, H, W, 3], any B

That is all a server needs of JAX, on any of the platforms named when the file was made.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import export

from jaxdl.errors import UserError

PLATFORMS = ("cpu", "cuda", "tpu")


def exported(
    model: nn.Module,
    variables: Mapping[str, Any],
    *,
    image: tuple[int, int, int],
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    platforms: Sequence[str] = PLATFORMS,
) -> bytes:
    """The function uint8[B, H, W, C] -> float32[B, classes], pixels to probabilities, for any B, in serialised form.

    image: (H, W, C) of one image. mean, std: of the channels in [0, 1], as the network was trained with.
    Raises UserError for an unknown platform and where the network does not take such images.
    """
    for platform in platforms:
        if platform not in (*PLATFORMS, "rocm"):
            raise UserError(f"unknown platform {platform!r}. Known: {', '.join((*PLATFORMS, 'rocm'))}.")
    constants = jax.tree.map(jnp.asarray, dict(variables))

    def probabilities(images: jax.Array) -> jax.Array:
        scaled = images.astype(jnp.float32) / 255
        rank = (1, 1, 1, -1)
        scaled = (scaled - jnp.array(mean, jnp.float32).reshape(rank)) / jnp.array(std, jnp.float32).reshape(rank)
        return jax.nn.softmax(model.apply(constants, scaled, train=False))

    (batch,) = export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((batch, *image), jnp.uint8)
    return bytes(export.export(jax.jit(probabilities), platforms=tuple(platforms))(images).serialize())
