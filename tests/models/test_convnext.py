from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import InvalidRngError

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.models import convnext
from tests import pytorch
from tests.models.parity import assert_built_alike, assert_drawn_alike, assert_parity

NAMES = [f"convnext_{size}" for size in ("tiny", "small", "base", "large")]
SIZES, WIDTHS = (1, 2, 1, 1), (16, 24, 32, 48)

small = partial(convnext.ConvNeXt, SIZES, WIDTHS, stochastic_depth=0.1)


def torchvisions_small(weights=None):
    """torchvision's network of ``SIZES`` and ``WIDTHS``."""
    theirs = pytorch.torchvision().models.convnext
    rows = zip(WIDTHS, (*WIDTHS[1:], None), SIZES, strict=True)
    return theirs.ConvNeXt([theirs.CNBlockConfig(*row) for row in rows], stochastic_depth_prob=0.1)


def drawn(build):
    """torchvision's ``build`` with other values where it starts from constants: its blocks would add next to nothing.

    The first features are small, so that the epsilon of the norms shows.
    """

    def built(weights=None):
        module = build()
        with pytorch.torch().no_grad():
            for name, parameter in module.named_parameters():
                if "layer_scale" in name:
                    parameter.uniform_(0.2, 1.0)
                elif parameter.ndim == 1:
                    norm = name.endswith("weight")
                    parameter.normal_(1.0 if norm else 0.0, 0.1)
            getattr(module.features, "0")[0].weight.mul_(0.01)
            getattr(module.features, "0")[0].bias.mul_(0.01)
        return module

    return built


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_torchvisions(name, size, monkeypatch):
    theirs = pytorch.torchvision().models
    monkeypatch.setattr(theirs, name, drawn(getattr(theirs, name)))
    assert_parity(name, getattr(convnext, name), size=size, gradient=name == "convnext_tiny" and size == 64)


@pytest.mark.long
def test_logits_and_gradients_of_a_small_one_equal_torchvisions(monkeypatch):
    monkeypatch.setattr(pytorch.torchvision().models, "small", drawn(torchvisions_small), raising=False)
    assert_parity("small", small, size=64, gradient=True)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_layers_are_torchvisions(name):
    assert_built_alike(name, getattr(convnext, name))


@pytest.mark.long
def test_initial_values_are_drawn_as_torchvision_draws_them():
    assert_drawn_alike(small(num_classes=1000), torchvisions_small)


@pytest.mark.parametrize(("stem", "side"), [("cifar", 64), ("imagenet", 16)])
def test_features_are_what_each_stage_puts_out(stem, side):
    model = convnext.convnext_tiny(num_classes=7, stem=stem)
    images = jnp.zeros((2, 64, 64, 3))
    (logits, stages), _ = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 7)
    assert {name: stage.shape for name, stage in stages.items()} == {
        f"features.{2 * stage + 1}": (2, side // 2**stage, side // 2**stage, 96 * 2**stage) for stage in range(4)
    }


@pytest.mark.slow
def test_stochastic_depth_takes_its_key_in_training_only():
    images = jax.random.normal(jax.random.key(0), (16, 32, 32, 3))
    model = small(stochastic_depth=0.9, layer_scale=1.0)
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(1), images)
    apply = jax.jit(model.apply, static_argnames="train")

    def logits(train, seed):
        return apply(variables, images, train=train, rngs={"dropout": jax.random.key(seed)})

    np.testing.assert_array_equal(logits(True, 2), logits(True, 2))
    assert not np.allclose(logits(True, 2), logits(True, 3), rtol=1e-3)
    np.testing.assert_array_equal(logits(False, 2), logits(False, 3))
    jax.eval_shape(lambda: small(stochastic_depth=0.0).apply(variables, images, train=True))
    with pytest.raises(InvalidRngError):
        jax.eval_shape(lambda: model.apply(variables, images, train=True))


def test_what_no_network_can_have_is_a_user_error():
    with pytest.raises(UserError, match="stochastic_depth must be from 0 to 1, got -1"):
        models.create("convnext_tiny", stochastic_depth=-1.0)
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(lambda: small(stem="cifra").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
