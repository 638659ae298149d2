"""Augmentation of training images, mixup and cutmix, and test-time views, built from the flags."""

from collections.abc import Callable, Sequence
from functools import partial

import jax

from jaxdl.data import augment
from jaxdl.run.config import Config

View = Callable[[jax.Array], jax.Array]

# Of a configuration: a keyed transform, or None where the flags do not ask for it. They are applied in this order.
OF_PIXELS = (
    lambda config: augment.flip if config.flip and not config.alternate_flips else None,
    lambda config: partial(augment.crop, padding=config.crop_padding) if config.crop_padding else None,
)
OF_NORMALIZED = (lambda config: partial(augment.cutout, size=config.cutout) if config.cutout else None,)
MIXES = ((augment.mixup, lambda config: config.mixup), (augment.cutmix, lambda config: config.cutmix))  # and its alpha


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


def views_of(config: Config) -> tuple[View, ...]:
    """The other versions of an image whose logits are averaged with its own when it is evaluated.

    With ``--test-crops``, half of the weight is that of the two shifts, up left and down right; with ``--test-flip``
    all are mirrored as well. Both together are the test-time augmentation of Jordan (2024).
    """
    unmoved = (augment.mirror,) if config.test_flip else ()
    if not config.test_crops:
        return unmoved
    moved = [partial(augment.shift, down=pixels, right=pixels) for pixels in (1, -1)]
    seen = [lambda images: images, *unmoved]
    # Each twice but the shifted ones: all count the same. XLA computes what is there twice once.
    return (*unmoved, *seen, *(partial(_first, move, view) for move in moved for view in seen))


def _first(move: View, view: View, images: jax.Array) -> jax.Array:
    return view(move(images))
