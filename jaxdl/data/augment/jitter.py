"""Random colours, for float images in [0, 1] with one or three channels."""

from numbers import Real

import jax
import jax.numpy as jnp

from jaxdl.data.augment.arguments import check_colors, check_within, number_pair
from jaxdl.data.augment.color import adjust_hue, grayscale

Amount = float | tuple[float, float]


def random_grayscale(key: jax.Array, images: jax.Array, p: float = 0.1) -> jax.Array:
    """Each image in grey with probability ``p``, its channels kept, as ``torchvision.transforms.RandomGrayscale``.

    Raises UserError where p is outside [0, 1].
    """
    check_within("p", p, 0, 1)
    grey = grayscale(images, images.shape[-1])
    return jnp.where(jax.random.bernoulli(key, jnp.float32(p), (images.shape[0], 1, 1, 1)), grey, images)


def color_jitter(
    key: jax.Array,
    images: jax.Array,
    brightness: Amount = 0.0,
    contrast: Amount = 0.0,
    saturation: Amount = 0.0,
    hue: Amount = 0.0,
) -> jax.Array:
    """Each image's brightness, contrast, saturation and hue changed, as ``torchvision.transforms.ColorJitter``.

    Amounts and the order of the four are drawn for each image. brightness, contrast, saturation: the least and the
    largest factor, or v for (max(0, 1 - v), 1 + v). hue: the least and the largest shift, or v for (-v, v).
    Raises UserError where a factor is negative, a hue outside [-0.5, 0.5], or a pair not in order.
    """
    check_colors(images)
    ranges = [
        _factors(name, amount)
        for name, amount in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation))
    ]
    check_within("hue", hue, 0, 0.5)
    shifts = number_pair("hue", (-hue, hue) if isinstance(hue, Real) else hue, -0.5, 0.5)

    count = images.shape[0]
    factor_key, shift_key, order_key, place_key = jax.random.split(key, 4)
    low, high = jnp.array(ranges).T
    order = jax.random.permutation(order_key, jnp.tile(jnp.arange(3), (count, 1)), axis=1, independent=True)
    factors = jax.random.uniform(factor_key, (count, 3), minval=low[None], maxval=high[None])
    factors = jnp.take_along_axis(factors, order, 1)
    blends = any(ends != (1, 1) for ends in ranges)
    if shifts == (0, 0):
        return _blend_in_order(images, order, factors) if blends else images

    # An order of four is an order of three and a place among them for the hue. The hue is dear: so it is computed once,
    # and the other three on both sides of it, with a factor of 1 where it is not their turn.
    shift = jax.random.uniform(shift_key, (count,), minval=shifts[0], maxval=shifts[1])
    earlier = jnp.arange(3)[None] < jax.random.randint(place_key, (count, 1), 0, 4)
    if blends:
        images = _blend_in_order(images, order, jnp.where(earlier, factors, 1))
    images = adjust_hue(images, shift)
    if blends:
        images = _blend_in_order(images, order, jnp.where(earlier, 1, factors))
    return images


def _blend_in_order(images: jax.Array, order: jax.Array, factors: jax.Array) -> jax.Array:
    """Brightness (0), contrast (1) and saturation (2), each image in its order: int[B, 3], factors float[B, 3]."""
    for operation, factor in zip(order.T, factors.T, strict=True):
        operation, factor = operation.reshape(-1, 1, 1, 1), factor.reshape(-1, 1, 1, 1).astype(images.dtype)
        grey = grayscale(images)
        other = jnp.where(operation == 1, grey.mean((1, 2, 3), keepdims=True), grey)
        images = jnp.clip(factor * images + (1 - factor) * jnp.where(operation == 0, 0, other), 0, 1)
    return images


def _factors(name: str, amount: Amount) -> tuple[float, float]:
    check_within(name, amount, 0)
    return number_pair(name, (max(0, 1 - amount), 1 + amount) if isinstance(amount, Real) else amount, 0)
