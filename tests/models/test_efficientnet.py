from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import InvalidRngError

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.models import efficientnet
from jaxdl.models.inverted_residual import InvertedResidual
from jaxdl.nn import Conv
from tests import pytorch
from tests.models.parity import assert_built_alike, assert_drawn_alike, assert_parity

NAMES = [*(f"efficientnet_b{number}" for number in range(8)), *(f"efficientnet_v2_{size}" for size in "sml")]
# both kinds of fused blocks, and both kinds of shortcut
STAGES = ((1, 3, 1, 16, 2), (4, 3, 2, 24, 2), (4, 3, 2, 32, 2))

small_v2 = partial(efficientnet.EfficientNet, 1.0, 1.0, 0.2, STAGES, 2, 16, 64, epsilon=1e-3)


def torchvisions_small_v2(weights=None):
    """torchvision's network of ``STAGES``."""
    theirs = pytorch.torchvision().models.efficientnet
    settings, channels = [], STAGES[0][3]
    for index, (expansion, window, stride, width, count) in enumerate(STAGES):
        kind = theirs.FusedMBConvConfig if index < 2 else theirs.MBConvConfig
        settings.append(kind(expansion, window, stride, channels, width, count))
        channels = width
    norm = partial(pytorch.torch().nn.BatchNorm2d, eps=1e-3)
    return theirs.EfficientNet(settings, 0.2, last_channel=64, norm_layer=norm)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_torchvisions(name, size):
    gradient = name in ("efficientnet_b0", "efficientnet_v2_s") and size == 64
    assert_parity(name, getattr(efficientnet, name), size=size, gradient=gradient)


@pytest.mark.long
def test_logits_and_gradients_of_a_small_v2_equal_torchvisions(monkeypatch):
    monkeypatch.setattr(pytorch.torchvision().models, "small", torchvisions_small_v2, raising=False)
    assert_parity("small", small_v2, size=64, gradient=True)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_layers_are_torchvisions(name):
    assert_built_alike(name, getattr(efficientnet, name))


@pytest.mark.long
def test_initial_values_are_drawn_as_torchvision_draws_them():
    assert_drawn_alike(small_v2(num_classes=1000), torchvisions_small_v2)


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


@pytest.mark.parametrize(("stem", "side"), [("cifar", 8), ("imagenet", 2)])
def test_features_of_v2_are_what_each_stage_puts_out(stem, side):
    model = efficientnet.efficientnet_v2_s(num_classes=7, stem=stem)
    _, stages = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, 64, 64, 3)), train=False, features=True)[0]
    )
    assert list(stages) == [f"features.{stage}" for stage in range(1, 7)]
    assert stages["features.6"].shape == (2, side, side, 256)


def test_the_fraction_of_stochastic_depth_is_a_field():
    images = jnp.zeros((2, 32, 32, 3))

    def train(**fields):
        model = small_v2().clone(dropout=0.0, **fields)
        variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
        return jax.eval_shape(partial(model.apply, train=True, mutable=["batch_stats"]), variables, images)

    train(stochastic_depth=0.0)
    with pytest.raises(InvalidRngError):
        train()
    with pytest.raises(UserError, match=r"stochastic_depth must be from 0 to 1, got 1\.5"):
        models.create("efficientnet_b0", stochastic_depth=1.5)


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
