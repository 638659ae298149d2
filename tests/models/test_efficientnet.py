from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.models import efficientnet
from jaxdl.models.inverted_residual import InvertedResidual
from jaxdl.nn import Conv
from tests.models.parity import assert_parity

NAMES = [f"efficientnet_b{number}" for number in range(8)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_torchvisions(name):
    assert_parity(name, getattr(efficientnet, name), size=64, gradient=name == "efficientnet_b0")


@pytest.mark.parametrize(("stem", "sides"), [("cifar", (32, 32, 16, 8, 8, 4, 4)), ("imagenet", (16, 8, 4, 2, 2, 1, 1))])
def test_features_are_what_each_stage_puts_out(stem, sides):
    images = jnp.zeros((2, 32, 32, 3))
    (logits, stages), _ = jax.eval_shape(
        lambda: efficientnet.efficientnet_b0(num_classes=7, stem=stem).init_with_output(
            jax.random.key(0), images, train=False, features=True
        )
    )
    assert logits.shape == (2, 7)
    widths = (16, 24, 40, 80, 112, 192, 320)
    expected = {f"features.{at + 1}": (2, sides[at], sides[at], widths[at]) for at in range(7)}
    assert {name: stage.shape for name, stage in stages.items()} == expected


def test_stochastic_depth_leaves_whole_examples_to_the_shortcut():
    conv = partial(Conv, use_bias=False)
    norm = partial(nn.BatchNorm, use_running_average=True)
    model = InvertedResidual(8, 3, 1, 8, 0, jax.nn.silu, jax.nn.silu, jax.nn.sigmoid, conv, norm, 0.5)
    x = jax.random.normal(jax.random.key(0), (64, 4, 4, 8))
    variables = jax.jit(lambda: model.init(jax.random.key(1), x, train=False))()
    apply = jax.jit(partial(model.apply, variables, rngs={"dropout": jax.random.key(2)}), static_argnames="train")
    kept, drawn = apply(x, train=False) - x, apply(x, train=True) - x
    gone = np.asarray(jnp.all(drawn == 0, axis=(1, 2, 3)))
    assert 16 < gone.sum() < 48
    np.testing.assert_allclose(drawn[~gone], 2 * kept[~gone], rtol=1e-4, atol=1e-5)


def test_unknown_stem_is_a_user_error():
    model = efficientnet.efficientnet_b0(stem="cifra")
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
