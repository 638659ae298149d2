"""Augmentation of training images, mixup and cutmix, built from the flags."""

from collections.abc import Callable, Sequence
from functools import partial

import jax

from jaxdl.data import augment
from jaxdl.run.config import Config

# Of a configuration: a keyed transform, or None where the flags do not ask for it. They are applied in this order.
OF_PIXELS = (
    lambda config: augment.flip if config.flip and not config.alternate_flips else None,
    lambda config: partial(augment.crop, padding=config.crop_padding) if config.crop_padding else None,
    lambda config: partial(_windows, least=config.crop_scale) if config.crop_scale < 1 else None,
)
OF_NORMALIZED = (lambda config: partial(augment.cutout, size=config.cutout) if config.cutout else None,)
MIXES = ((augment.mixup, lambda config: config.mixup), (augment.cutmix, lambda config: config.cutmix))  # and its alpha


def _windows(key: jax.Array, images: jax.Array, *, least: float) -> jax.Array:
    return augment.random_resized_crop(key, images, images.shape[1:3], scale=(least, 1.0))


def augmentation_of(config: Config, *, mean: Sequence[float], std: Sequence[float]) -> Callable[..., jax.Array]:
    """The transform of training images, normalising included."""
    of_pixels, of_normalized = ([make(config) for make in table] for table in (OF_PIXELS, OF_NORMALIZED))
    return augment.around_normalizing(of_pixels, of_normalized, mean=mean, std=std)


def alternates(config: Config) -> bool:
    """Whether batches say which of their images are mirrored in this epoch, for ``pipeline.train_batch``."""
    return config.flip and config.alternate_flips


def mix_of(config: Config, *, num_classes: int) -> Callable[..., tuple[jax.Array, jax.Array]] | None:
    """The mixing of images and labels, or None."""
    chosen = [partial(mix, num_classes=num_classes, alpha=alpha) for mix, of in MIXES if (alpha := of(config))]
    return augment.random_choice(*chosen) if chosen else None
