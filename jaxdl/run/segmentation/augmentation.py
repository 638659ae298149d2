"""Augmentation of training pictures and their masks, built from the flags."""

from collections.abc import Callable, Sequence
from functools import partial

import jax

from jaxdl.data import augment
from jaxdl.run.segmentation.config import SegmentationConfig, window_of


def colors_of(
    config: SegmentationConfig, *, mean: Sequence[float], std: Sequence[float]
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The transform of pictures alone, ``(key, images) -> images``, normalising included."""
    if not config.jitter:
        return augment.plain(partial(augment.normalize, mean=mean, std=std))
    amounts = dict.fromkeys(("brightness", "contrast", "saturation"), config.jitter)

    def transform(key: jax.Array, images: jax.Array) -> jax.Array:
        return augment.standardize(augment.color_jitter(key, augment.to_float(images), **amounts), mean, std)

    return transform


def geometry_of(
    config: SegmentationConfig, *, num_classes: int
) -> Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None:
    """The transform of pictures and masks, ``(key, images, masks) -> (images, masks)``, or None."""
    scale, window = (config.min_scale, config.max_scale), window_of(config.crop_size)
    transforms: list[Callable[..., jax.Array]] = [augment.flip] if config.flip else []
    if window or scale != (1.0, 1.0):
        transforms.append(partial(_rescaled, window=window, scale=scale))
    return augment.jointly(*transforms) if transforms else None


def _rescaled(
    key: jax.Array,
    images: jax.Array,
    *,
    window: tuple[int, int] | None,
    scale: tuple[float, float],
    interpolation: str = "bilinear",
    fill: float = 0.0,
) -> jax.Array:
    """A window of each image, of the image's own size if None."""
    size = window or images.shape[1:3]
    return augment.random_scaled_crop(key, images, size, scale, interpolation=interpolation, fill=fill)
