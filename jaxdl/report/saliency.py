"""Which pixels a class's logit depends on most."""

import flax.linen as nn
import jax
import jax.numpy as jnp


def saliency(
    model: nn.Module,
    variables: dict,
    images: jax.Array,
    classes: jax.Array,
    *,
    key: jax.Array | None = None,
    copies: int = 1,
    noise: float = 0.1,
) -> jax.Array:
    """float32[B, H, W] in [0, 1], 1 at the pixel that matters most to each image's class.

    The gradient of the class's logit by the pixels, its absolute value, of the channels the largest (Simonyan et al.
    2014), over the image's maximum; zero where the logit depends on no pixel. With a ``key``, the mean gradient of
    ``copies`` of the image with Gaussian noise (SmoothGrad, Smilkov et al. 2017), which is less grainy.

    images: float[B, H, W, C] as the model reads them. classes: int[B]. noise: standard deviation, as a share of each
    image's range of values.
    """

    def logit(images: jax.Array) -> jax.Array:
        logits = model.apply(variables, images, train=False)
        return jnp.take_along_axis(logits, classes[:, None], axis=1).sum()  # images do not touch each other's

    if key is None:
        gradient = jax.grad(logit)(images)
    else:
        across = (1, 2, 3)
        scale = noise * (images.max(across, keepdims=True) - images.min(across, keepdims=True))

        def add(total: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            noisy = images + scale * jax.random.normal(key, images.shape, images.dtype)
            return total + jax.grad(logit)(noisy), None

        gradient, _ = jax.lax.scan(add, jnp.zeros_like(images), jax.random.split(key, copies))
    strength = jnp.abs(gradient.astype(jnp.float32)).max(-1)
    largest = strength.max((1, 2), keepdims=True)
    return jnp.where(largest > 0, strength / jnp.where(largest > 0, largest, 1), 0)
