import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data import augment
from jaxdl.errors import UserError
from tests.data.augment.reference import assert_same, functional, to_array, to_tensor

SHAPES = [(1, 7, 9, 3), (4, 8, 5, 3), (3, 6, 6, 1)]
AMOUNTS = {
    "adjust_brightness": [0, 0.4, 1, 1.7],
    "adjust_contrast": [0, 0.4, 1, 1.7],
    "adjust_saturation": [0, 0.4, 1, 1.7],
    "adjust_hue": [-0.5, -0.21, 0, 0.1, 0.37, 0.5],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", AMOUNTS)
def test_adjustments_and_their_gradients_are_torchvisions(floats, name, shape):
    ours, theirs = getattr(augment, name), getattr(functional(), name)
    assert_same(ours, theirs, floats(*shape), *[(amount,) for amount in AMOUNTS[name]], gradient=True)


@pytest.mark.parametrize("name", AMOUNTS)
def test_adjustments_take_an_amount_an_image(floats, name):
    images = floats(4, 6, 7, 3)
    amounts = np.array([0.1, 0.2, 0.3, 0.5], np.float32)
    together = getattr(augment, name)(images, amounts)
    for n, amount in enumerate(amounts.tolist()):
        alone = getattr(functional(), name)(to_tensor(images[n : n + 1]), amount)
        np.testing.assert_allclose(together[n], to_array(alone)[0], rtol=1e-5, atol=2e-6)


def test_hue_of_grey_stays_and_has_a_finite_gradient():
    grey = jnp.broadcast_to(jnp.linspace(0, 1, 11).reshape(1, 1, -1, 1), (1, 1, 11, 3))
    np.testing.assert_array_equal(augment.adjust_hue(grey, 0.3), grey)
    assert np.isfinite(jax.grad(lambda x: augment.adjust_hue(x, 0.3).sum())(grey)).all()


def test_hue_of_pure_and_tied_colours_is_torchvisions():
    levels = np.stack(np.meshgrid(*[[0.0, 0.5, 1.0]] * 3), -1).reshape(1, 3, 9, 3).astype(np.float32)
    assert_same(augment.adjust_hue, functional().adjust_hue, levels, (-0.4,), (0.15,), (1 / 3,))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_grayscale_is_torchvisions(floats, shape, channels):
    expected = functional().rgb_to_grayscale if shape[-1] == 3 else lambda x, n: x.expand(-1, n, -1, -1)
    assert_same(
        lambda x: augment.grayscale(x, channels), lambda x: expected(x, channels), floats(*shape), gradient=True
    )


@pytest.mark.parametrize("name", AMOUNTS)
def test_adjustments_keep_bfloat16(floats, name):
    assert getattr(augment, name)(jnp.asarray(floats(2, 3, 3, 3), jnp.bfloat16), 0.3).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: augment.adjust_brightness(x, -0.5), "factor must be 0 or more, got -0.5"),
        (lambda x: augment.adjust_contrast(x, -0.5), "factor must be 0 or more"),
        (lambda x: augment.adjust_saturation(x, -0.5), "factor must be 0 or more"),
        (lambda x: augment.adjust_hue(x, 0.6), "shift must be between -0.5 and 0.5, got 0.6"),
        (lambda x: augment.adjust_hue(x, np.zeros(3)), r"shift must be one number or one an image, \[2\], .* \(3,\)"),
        (lambda x: augment.adjust_contrast(x, np.zeros(3)), r"factor must be one number or one an image"),
        (lambda x: augment.adjust_contrast(x[0], 1), "images must be .batch"),
        (lambda x: augment.adjust_hue(x[..., :2], 0.1), "images must have 1 or 3 channels, got 2"),
        (lambda x: augment.grayscale(x[..., :2]), "images must have 1 or 3 channels, got 2"),
        (lambda x: augment.grayscale(x, 2), "channels must be 1 or 3, got 2"),
        (lambda x: augment.adjust_brightness((255 * x).astype(np.uint8), 1.1), "images must be float .* got uint8"),
    ],
)
def test_colours_name_the_argument_at_fault(floats, call, message):
    with pytest.raises(UserError, match=message):
        call(floats(2, 4, 5, 3))


def test_hue_behind_other_changes_is_the_same_compiled():
    images = np.random.default_rng(0).random((4, 16, 16, 3)).astype(np.float32)

    def change(images):
        return augment.adjust_hue(augment.adjust_saturation(augment.adjust_brightness(images, 0.9), 0.7), 0.03)

    np.testing.assert_allclose(jax.jit(change)(images), change(images), atol=1e-5)
