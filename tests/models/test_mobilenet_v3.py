import jax
import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from tests.models.parity import assert_parity


@pytest.mark.long
@pytest.mark.parametrize(
    "build",
    [mobilenet_v3_small, pytest.param(mobilenet_v3_large, marks=pytest.mark.slow)],
    ids=["small", "large"],
)
def test_logits_equal_torchvisions(build):
    small = build is mobilenet_v3_small
    assert_parity("mobilenet_v3_small" if small else "mobilenet_v3_large", build, size=64, gradient=small)


@pytest.mark.parametrize(("stem", "side"), [("cifar", 4), ("imagenet", 1)])
@pytest.mark.parametrize(("build", "count", "width"), [(mobilenet_v3_small, 11, 96), (mobilenet_v3_large, 15, 160)])
def test_features_are_what_each_block_and_the_last_convolution_put_out(build, count, width, stem, side):
    images = jnp.zeros((2, 32, 32, 3))
    (logits, blocks), _ = jax.eval_shape(
        lambda: build(num_classes=7, stem=stem).init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 7)
    assert set(blocks) == {f"features.{index}" for index in range(1, count + 2)}
    assert blocks[f"features.{count}"].shape == (2, side, side, width)
    assert blocks[f"features.{count + 1}"].shape == (2, side, side, 6 * width)


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(
            lambda: mobilenet_v3_small(stem="cifra").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
        )
