"""Feature maps of convolutions as pictures, beside the images themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.variables import flat, layer_of

SHADES = 255


def feature_maps(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array, *, layers: Sequence[str], channels: int = 8
) -> dict[str, np.ndarray]:
    """The first ``channels`` of each convolution's output, uint8[B, channels, h, w], by layer in the order given.

    images: float[B, H, W, C] as the model takes them. layers: names of layers; those that are no convolution are left
    out. A channel of an image is spread over all shades, its lowest value black.
    """
    convolutions = {layer_of(path) for path, leaf in flat(variables).items() if path[-1] == "kernel" and leaf.ndim == 4}
    chosen = [name for name in layers if name in convolutions]

    def outputs(variables: Mapping[str, Any], images: jax.Array) -> dict[str, jax.Array]:
        _, state = model.apply(
            variables,
            images,
            train=False,
            capture_intermediates=lambda module, method: ".".join(module.path) in chosen and method == "__call__",
            mutable=["intermediates"],
        )
        found = {layer_of(path): leaf[0] for path, leaf in flat(state).items()}
        return {name: _shades(found[name][..., :channels]) for name in chosen}

    return jax.tree.map(np.asarray, jax.jit(outputs)(variables, images))


def sheet(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """A row an image, uint8[B h, (1 + channels) w, 3]: the image, then its maps, enlarged to its size.

    images: uint8[B, H, W, 3]; maps: uint8[B, channels, h, w].
    """
    rows, columns = images.shape[1:3]
    gray = np.stack([_resized(maps, rows, columns)] * 3, axis=-1)
    return np.concatenate([np.concatenate([image, *row], axis=1) for image, row in zip(images, gray, strict=True)])


def _shades(outputs: jax.Array) -> jax.Array:
    """float[B, h, w, C] -> uint8[B, C, h, w]."""
    outputs = jnp.moveaxis(outputs.astype(jnp.float32), -1, 1)
    low, high = (of(outputs, axis=(2, 3), keepdims=True) for of in (jnp.min, jnp.max))
    return jnp.round((outputs - low) / jnp.maximum(high - low, 1e-12) * SHADES).astype(jnp.uint8)


def _resized(maps: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The nearest values."""
    y = np.arange(rows) * maps.shape[2] // rows
    x = np.arange(columns) * maps.shape[3] // columns
    return maps[:, :, y[:, None], x[None]]
