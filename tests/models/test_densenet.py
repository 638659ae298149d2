from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxdl.models import densenet
from tests import pytorch
from tests.models.parity import assert_parity

SLOW = ["densenet161", "densenet169", "densenet201"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["densenet121", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_logits_equal_torchvisions(name):
    assert_parity(name, getattr(densenet, name), size=64)


@pytest.mark.long
def test_gradients_of_a_small_one_equal_torchvisions(monkeypatch):
    models = pytorch.torchvision().models
    monkeypatch.setattr(models, "small", lambda weights: models.DenseNet(8, (2, 2, 2, 2), 16), raising=False)
    assert_parity("small", partial(densenet.DenseNet, 8, (2, 2, 2, 2), 16), size=64, gradient=True)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_features_are_what_each_block_puts_out(stem):
    model = densenet.densenet121(num_classes=7, stem=stem)
    images = jnp.zeros((2, 64, 64, 3))
    (logits, blocks), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 7)
    side, window = (64, 3) if stem == "cifar" else (16, 7)
    assert variables["params"]["features.conv0"]["kernel"].shape == (window, window, 3, 64)
    assert {name: block.shape for name, block in blocks.items()} == {
        f"denseblock{number}": (2, side // 2 ** (number - 1), side // 2 ** (number - 1), width)
        for number, width in enumerate((256, 512, 1024, 1024), start=1)
    }
