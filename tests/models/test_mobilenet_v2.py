import jax
import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.models.mobilenet_v2 import mobilenet_v2
from tests.models.parity import assert_parity


@pytest.mark.slow
def test_logits_equal_torchvisions():
    assert_parity("mobilenet_v2", mobilenet_v2, size=64, gradient=True)


@pytest.mark.parametrize(("stem", "sides"), [("cifar", (32, 32, 16, 8, 4)), ("imagenet", (16, 8, 4, 2, 1))])
def test_features_are_what_each_block_puts_out(stem, sides):
    images = jnp.zeros((2, 32, 32, 3))
    (logits, blocks), _ = jax.eval_shape(
        lambda: mobilenet_v2(num_classes=7, stem=stem).init_with_output(
            jax.random.key(0), images, train=False, features=True
        )
    )
    assert logits.shape == (2, 7)
    assert set(blocks) == {f"features.{index}" for index in range(1, 18)}
    last = {1: (sides[0], 16), 3: (sides[1], 24), 6: (sides[2], 32), 13: (sides[3], 96), 17: (sides[4], 320)}
    for index, (side, width) in last.items():
        assert blocks[f"features.{index}"].shape == (2, side, side, width)


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(
            lambda: mobilenet_v2(stem="cifra").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
        )
