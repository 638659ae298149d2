"""torchvision as the reference of the image transforms: its functions take [B, C, H, W] tensors."""

import jax
import numpy as np

from tests.pytorch import torch, torchvision


def functional():
    """``torchvision.transforms.functional``."""
    return transforms().functional


def transforms():
    """``torchvision.transforms``."""
    torchvision()
    from torchvision import transforms

    return transforms


def to_tensor(images):
    """[B, H, W, C] to a tensor [B, C, H, W]."""
    return torch().tensor(np.asarray(images).transpose(0, 3, 1, 2))


def to_array(tensor):
    """A tensor [B, C, H, W] to an array [B, H, W, C]."""
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


def assert_same(ours, theirs, images, *cases, atol=2e-6, gradient=False):
    """``ours`` of the images and ``theirs`` of their tensor agree, and with ``gradient`` a product with the Jacobians.

    cases: what the two are given besides, a tuple of numbers each; traced on our side, and all compiled as one.
    torchvision computes in float64.
    """

    @jax.jit
    def compiled(images, weights, case):
        if not gradient:
            return ours(images, *case), None
        result, pull_back = jax.vjp(lambda images: ours(images, *case), images)
        return result, pull_back(weights)[0]

    for case in cases or [()]:
        leaf = to_tensor(images).double().requires_grad_(gradient)
        expected = theirs(leaf, *case)
        weights = np.random.default_rng(8).normal(size=to_array(expected).shape).astype(np.float32)
        result, slope = compiled(images, weights, case)
        assert result.dtype == images.dtype
        np.testing.assert_allclose(result, to_array(expected), rtol=1e-5, atol=atol, err_msg=str(case))
        if gradient:
            expected.backward(to_tensor(weights).double())
            np.testing.assert_allclose(slope, to_array(leaf.grad), rtol=1e-5, atol=1e-5, err_msg=str(case))
