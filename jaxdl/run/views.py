"""Test-time views: the other versions of an image whose logits are averaged with its own."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING

from jaxdl.data import augment
from jaxdl.run.config import Config

if TYPE_CHECKING:
    import jax

View = Callable[["jax.Array"], "jax.Array"]


def same(images: "jax.Array") -> "jax.Array":
    """The images as they are."""
    return images


def mirrored(images: "jax.Array") -> "jax.Array":
    """The images mirrored left to right."""
    return augment.mirror(images)


def moved(pixels: int, images: "jax.Array") -> "jax.Array":
    """The images so many pixels further down and to the right."""
    return augment.shift(images, down=pixels, right=pixels)


def others(*choices: Sequence[View]) -> tuple[View, ...]:
    """All combinations of one view from each of ``choices``, but for the first of all: the image as it is.

    What stands twice counts twice; XLA computes it once.
    """
    return tuple(partial(_seen, combination) for combination in list(product(*choices))[1:])


def views_of(config: Config) -> tuple[View, ...]:
    """The views that the flags ask for. Both flags together are the test-time augmentation of Jordan (2024)."""
    return others(*(of_flag(config) for of_flag in OF_FLAGS))


def _seen(views: Sequence[View], images: "jax.Array") -> "jax.Array":
    for view in views:
        images = view(images)
    return images


MIRRORED = (same, mirrored)
MOVED = (partial(moved, -1), partial(moved, 1))
OF_FLAGS = (
    lambda config: (same, same, *MOVED) if config.test_crops else (same,),  # half of the weight is that of the moved
    lambda config: MIRRORED if config.test_flip else (same,),
)
VIEWS: Mapping[str, tuple[View, ...]] = MappingProxyType(
    {
        "one": (),
        "mirror": others(MIRRORED),
        "shift": others((same, *MOVED)),
        "mirror-shift": others((same, *MOVED), MIRRORED),
    }
)
