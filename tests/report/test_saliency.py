"""Gradients are those of PyTorch; the rest is what they are made into."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import models
from jaxdl.report.saliency import saliency
from tests import pytorch
from tests.models.test_models import course_network, course_params

CLASSES = np.array([3, 0, 9])


class Weighted(nn.Module):
    """Logit c is the sum of ``weights[c] * images ** power``."""

    weights: tuple
    power: int

    def __call__(self, x, *, train):
        weights = jnp.asarray(self.weights)  # [classes, H, W, C]
        return jnp.einsum("bhwc,khwc->bk", x**self.power, weights)


def weighted(rng, power):
    weights = rng.normal(size=(2, 4, 5, 3)).astype(np.float32)
    return Weighted(weights=tuple(map(tuple, weights.tolist())), power=power), weights


def test_saliency_is_the_largest_gradient_of_the_channels_as_in_pytorch(rng):
    torch = pytorch.torch()
    reference = course_network(torch)
    images = rng.random((3, 32, 32, 3), np.float32)
    found = saliency(models.create("cifar_cnn"), {"params": course_params(reference)}, jnp.asarray(images), CLASSES)
    pixels = torch.tensor(images).permute(0, 3, 1, 2).requires_grad_()
    reference(pixels)[torch.arange(3), torch.tensor(CLASSES)].sum().backward()
    expected = pixels.grad.abs().amax(1)
    pytorch.assert_close(found, expected / expected.amax((1, 2), keepdim=True), 1e-4)
    assert found.dtype == np.float32


def test_each_image_has_its_own_map(rng):
    model = models.create("cifar_cnn")
    images = rng.random((3, 32, 32, 3), np.float32)
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(0), images)
    maps = jax.jit(partial(saliency, model, variables))
    found = maps(images, CLASSES)
    np.testing.assert_allclose(found.max((1, 2)), 1, rtol=1e-6)
    assert found.min() >= 0
    others = maps(np.stack([images[2], images[1], 1 - images[1]]), np.array([4, 0, 5]))
    np.testing.assert_allclose(others[1], found[1], atol=1e-5)
    assert np.abs(others[0] - found[2]).max() > 0.1  # the same image for another class


def test_noisy_copies_are_averaged_before_the_absolute_value(rng):
    model, weights = weighted(rng, power=2)  # gradient 2 w x: its mean over noise is that of the image
    images = jnp.asarray(rng.normal(size=(1, 4, 5, 3)).astype(np.float32))
    plain = saliency(model, {}, images, np.array([1]))
    expected = np.abs(2 * weights[1] * images[0]).max(-1)
    np.testing.assert_allclose(plain[0], expected / expected.max(), rtol=1e-5)
    few, many = (
        saliency(model, {}, images, np.array([1]), key=jax.random.key(0), copies=copies) for copies in (2, 4000)
    )
    np.testing.assert_allclose(many, plain, atol=0.02)
    assert np.abs(few - plain).max() > 0.02


def test_noise_is_a_share_of_each_images_range(rng):
    model, _ = weighted(rng, power=3)  # gradient 3 w x^2: scaling images and noise alike changes no map
    images = jnp.asarray(rng.random((1, 4, 5, 3), np.float32))
    options = {"key": jax.random.key(1), "copies": 3}
    first, scaled = (saliency(model, {}, images * scale, np.array([0]), **options) for scale in (1, 10))
    np.testing.assert_allclose(first, scaled, rtol=1e-4)
    again = saliency(model, {}, images, np.array([0]), **options)
    np.testing.assert_array_equal(first, again)


def test_a_class_that_depends_on_no_pixel_has_an_empty_map(rng):
    model = Weighted(weights=tuple(map(tuple, np.zeros((2, 4, 5, 3)).tolist())), power=1)
    found = saliency(model, {}, jnp.ones((1, 4, 5, 3)), np.array([1]))
    np.testing.assert_array_equal(found, np.zeros((1, 4, 5)))
