"""Composition of transforms. A keyed transform is ``(key, images) -> images``; these functions return such."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from jaxdl.data.augment.crops import crop, cutout
from jaxdl.data.augment.flips import flip
from jaxdl.data.augment.normalization import normalize
from jaxdl.errors import UserError

Augment = Callable[[jax.Array, jax.Array], jax.Array]  # (key, images) -> images
Keyed = Callable[..., jax.Array | tuple[jax.Array, ...]]  # (key, *arrays) -> arrays


def compose(*transforms: Augment) -> Augment:
    """The keyed transforms one after another, each with a key of its own: ``torchvision.transforms.Compose``.

    A transform that takes no key is passed through ``plain``; arguments are bound with ``functools.partial``::

        transform = compose(
            plain(to_float),
            flip,
            partial(random_crop, size=32, padding=4),
            partial(color_jitter, brightness=0.4, hue=0.1),
            plain(standardize, mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26)),
        )
        images = transform(key, images)
    """

    def transform(key: jax.Array, images: jax.Array) -> jax.Array:
        for own_key, apply in zip(jax.random.split(key, len(transforms)), transforms, strict=True):
            images = apply(own_key, images)
        return images

    return transform


def plain(transform: Callable[..., jax.Array], **arguments: object) -> Augment:
    """``transform(images, **arguments)`` as a keyed transform, its key not used."""

    def keyed(key: jax.Array, images: jax.Array) -> jax.Array:
        return transform(images, **arguments)

    return keyed


def random_choice(*transforms: Keyed, p: Sequence[float] | None = None) -> Keyed:
    """One of the keyed transforms, drawn anew for every batch, as ``torchvision.transforms.RandomChoice``.

    p: the probability of each; equal if None. All return the same shapes and dtypes. They may take and return more than
    images, as ``mixup`` and ``cutmix`` do::

        mix = random_choice(partial(mixup, num_classes=10), partial(cutmix, num_classes=10))
        images, labels = mix(key, images, labels)

    Raises UserError where there is no transform, or p is not one probability for each.
    """
    if not transforms:
        raise UserError("random_choice needs at least one transform, got none.")
    if p is not None and (len(p) != len(transforms) or min(p) < 0 or abs(sum(p) - 1) > 1e-6):
        raise UserError(f"p must be {len(transforms)} probabilities that add up to 1, got {tuple(p)}.")

    def transform(key: jax.Array, *arrays: jax.Array) -> jax.Array | tuple[jax.Array, ...]:
        choice_key, own_key = jax.random.split(key)
        chosen = jax.random.choice(choice_key, len(transforms), p=None if p is None else jnp.array(p))
        return jax.lax.switch(chosen, transforms, own_key, *arrays)

    return transform


def pipeline(
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    flip_images: bool = False,
    crop_padding: int = 0,
    cutout_size: int = 0,
) -> Augment:
    """The usual training transform, ``(key, images: uint8) -> float32``: flip, crop, normalise, cutout.

    Each but normalising is left out unless asked for.
    """
    of_pixels = (flip if flip_images else None, partial(crop, padding=crop_padding) if crop_padding else None)
    of_normalized = (partial(cutout, size=cutout_size) if cutout_size else None,)
    return around_normalizing(of_pixels, of_normalized, mean=mean, std=std)


def around_normalizing(
    of_pixels: Sequence[Augment | None],
    of_normalized: Sequence[Augment | None],
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> Augment:
    """Keyed transforms of uint8 images, ``normalize``, and keyed transforms of what comes of it, one after another.

    Each draws from a key of its own, by its place among all: a None is left out and changes nothing in the others.
    """

    def transform(key: jax.Array, images: jax.Array) -> jax.Array:
        keys = iter(jax.random.split(key, len(of_pixels) + len(of_normalized)))
        for apply, own_key in zip(of_pixels, keys, strict=False):
            images = apply(own_key, images) if apply else images
        images = normalize(images, mean, std)
        for apply, own_key in zip(of_normalized, keys, strict=True):
            images = apply(own_key, images) if apply else images
        return images

    return transform
