"""Pictures of several sizes in one array, and their objects and detections as arrays of a fixed length."""

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class ImageList:
    """A batch of pictures that are filled up, below and to the right, to the size of the largest.

    images: [B, H, W, C]. sizes: int32[B, 2], (height, width) of each before. torchvision's ``ImageList``.
    """

    images: jax.Array
    sizes: jax.Array

    @classmethod
    def of(cls, x: "ImageList | jax.Array") -> "ImageList":
        """x itself, or an array of images that are not filled up."""
        if isinstance(x, cls):
            return x
        return cls(x, jnp.broadcast_to(jnp.asarray(x.shape[1:3], jnp.int32), (len(x), 2)))


class Targets(NamedTuple):
    """The objects of a batch of pictures, filled up to as many in each.

    boxes: float32[B, M, 4], (x1, y1, x2, y2) in pixels. labels: int32[B, M], of classes from 1; 0 where there is none.
    masks: bool or uint8[B, M, H, W], or None.
    """

    boxes: jax.Array
    labels: jax.Array
    masks: jax.Array | None = None


class Detected(NamedTuple):
    """Objects that a detector finds in a batch of pictures, the most certain first.

    boxes: float32[B, K, 4], in pixels. labels: int32[B, K], of classes from 1. scores: float32[B, K].
    valid: bool[B, K], False behind the last. masks: float32[B, K, h, w], the probability that a place of a grid over
    the box is the object's; or None.
    """

    boxes: jax.Array
    labels: jax.Array
    scores: jax.Array
    valid: jax.Array
    masks: jax.Array | None = None
