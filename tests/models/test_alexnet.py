import jax
import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.models.alexnet import AlexNet
from tests.models.parity import assert_parity


def shapes(stem, size):
    """Of the logits, of what each convolution puts out, and of the variables."""
    images = jnp.zeros((2, size, size, 3))
    return jax.eval_shape(
        lambda: AlexNet(num_classes=7, stem=stem).init_with_output(
            jax.random.key(0), images, train=False, features=True
        )
    )


@pytest.mark.slow
def test_logits_and_gradients_equal_torchvisions():
    assert_parity("alexnet", AlexNet, size=95, gradient=True)


@pytest.mark.parametrize(("stem", "size", "sides"), [("cifar", 32, (26, 12, 5)), ("imagenet", 224, (55, 27, 13))])
def test_features_are_what_each_convolution_puts_out(stem, size, sides):
    (logits, stages), variables = shapes(stem, size)
    assert logits.shape == (2, 7)
    expected = [(sides[0], 64), (sides[1], 192), (sides[2], 384), (sides[2], 256), (sides[2], 256)]
    assert {name: stage.shape for name, stage in stages.items()} == {
        f"conv{number}": (2, side, side, width) for number, (side, width) in enumerate(expected, start=1)
    }
    assert variables == shapes("imagenet", 63)[1]


@pytest.mark.parametrize(("stem", "least", "hint"), [("cifar", 21, r"\."), ("imagenet", 63, '; stem="cifar"')])
def test_too_small_an_image_is_a_user_error_that_says_the_least_size(stem, least, hint):
    shapes(stem, least)
    with pytest.raises(UserError, match=rf"at least {least} pixels, got \(2, {least - 1}, {least - 1}, 3\){hint}"):
        shapes(stem, least - 1)


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match=r"unknown stem 'cifra'. Did you mean cifar"):
        shapes("cifra", 63)
