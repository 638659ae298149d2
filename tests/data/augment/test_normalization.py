import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import assert_same, functional

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.1)


def test_normalize_is_to_tensor_then_normalize(images):
    expected = (images / 255.0 - MEAN) / STD
    np.testing.assert_allclose(augment.normalize(images, MEAN, STD), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(augment.normalize(images), images / 255.0, rtol=1e-6)


def test_normalize_is_to_float_then_standardize(images):
    expected = augment.standardize(augment.to_float(images), MEAN, STD)
    np.testing.assert_allclose(augment.normalize(images, MEAN, STD), expected, rtol=1e-5, atol=1e-5)


def test_to_float_is_to_tensor(images):
    expected = np.stack([functional().to_tensor(image).numpy().transpose(1, 2, 0) for image in images])
    converted = augment.to_float(images)
    assert converted.dtype == jnp.float32
    np.testing.assert_allclose(converted, expected, rtol=1e-7)


@pytest.mark.parametrize(("channels", "mean", "std"), [(3, MEAN, STD), (3, (0.5,), (0.1,)), (1, (0.2,), (0.3,))])
def test_standardize_and_its_gradient_are_torchvisions(floats, channels, mean, std):
    assert_same(
        lambda images: augment.standardize(images, mean, std),
        lambda tensor: functional().normalize(tensor, mean, std),
        floats(4, 5, 6, channels),
        gradient=True,
    )


def test_to_float_refuses_floats(floats):
    with pytest.raises(UserError, match=r"images must be uint8 in \[0, 255\], got float32"):
        augment.to_float(floats(1, 2, 2, 1))


@pytest.mark.parametrize("of", [augment.normalize, lambda images: augment.pipeline()(jax.random.key(0), images)])
def test_float_images_are_not_scaled_twice(floats, of):
    with pytest.raises(UserError, match=r"images must be uint8 in \[0, 255\], got float32\. .*standardize"):
        of(floats(1, 2, 2, 3))


def test_standardize_names_the_argument_at_fault(images, floats):
    for mean, std, message in [
        ((0.1, 0.2), STD, "mean must be 1 value or 3, one a channel, got 2"),
        (MEAN, (0.1,) * 4, "std must be 1 value or 3, one a channel, got 4"),
        (MEAN, (0.1, 0.0, 0.2), r"std must be positive, got \(0.1, 0.0, 0.2\)"),
    ]:
        with pytest.raises(UserError, match=message):
            augment.standardize(floats(1, 2, 2, 3), mean, std)
    with pytest.raises(UserError, match="images must be float"):
        augment.standardize(images, MEAN, STD)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, bool, np.complex64])
@pytest.mark.parametrize("of", [augment.normalize, augment.to_float])
def test_only_bytes_are_scaled(dtype, of):
    """Whatever else holds pixels holds them on another scale."""
    with pytest.raises(UserError, match=rf"images must be uint8 in \[0, 255\], got {np.dtype(dtype)}"):
        of(np.ones((1, 4, 4, 3), dtype))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_as_pytorch_has_them_are_told_how_to_turn(channels):
    with pytest.raises(UserError, match=r"as PyTorch has them: images\.transpose\(0, 2, 3, 1\)"):
        augment.normalize(np.zeros((2, channels, 8, 8), np.uint8))


def test_a_tensor_of_pytorch_is_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(UserError, match=r"an array of NumPy or JAX, got torch\.Tensor"):
        augment.normalize(torch.zeros((1, 4, 4, 3), dtype=torch.uint8))


def test_normalize_names_the_argument_at_fault(images):
    with pytest.raises(UserError, match="std must be 1 value or 3, one a channel, got 2"):
        augment.normalize(images, MEAN, (0.1, 0.2))
