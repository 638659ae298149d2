"""What the flags say of the images that training sees: how they are changed and mixed."""

from collections.abc import Callable, Sequence
from functools import partial

import jax

from experiments.config import Config
from jaxdl.data import augment


def augmentation_of(config: Config, *, mean: Sequence[float], std: Sequence[float]) -> Callable[..., jax.Array]:
    """The transform of training images, normalising included."""
    return augment.pipeline(
        mean=mean, std=std, flip_images=config.flip, crop_padding=config.crop_padding, cutout_size=config.cutout
    )


def mix_of(config: Config, *, num_classes: int) -> Callable[..., tuple[jax.Array, jax.Array]] | None:
    """The mixing of images and labels, or None."""
    kinds = [(augment.mixup, config.mixup), (augment.cutmix, config.cutmix)]
    chosen = [partial(mix, num_classes=num_classes, alpha=alpha) for mix, alpha in kinds if alpha]
    return augment.random_choice(*chosen) if chosen else None


def views_of(config: Config) -> tuple[Callable[[jax.Array], jax.Array], ...]:
    """The other versions of an image whose logits are averaged with its own when it is evaluated."""
    return (augment.mirror,) if config.test_flip else ()
