from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models import densenet
from jaxdl.nn import Conv, batch_norm
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


def test_dropout_is_of_each_layers_new_features():
    conv = partial(Conv, use_bias=False)
    drop = partial(nn.Dropout, 0.5, deterministic=False)
    layer = densenet.DenseLayer(8, conv, batch_norm(train=False), drop)
    x = jax.random.normal(jax.random.key(0), (4, 6, 6, 3))
    variables = layer.init({"params": jax.random.key(1), "dropout": jax.random.key(2)}, x)
    whole = layer.clone(drop=partial(nn.Dropout, 0.0, deterministic=True)).apply(variables, x)
    dropped = layer.apply(variables, x, rngs={"dropout": jax.random.key(3)})
    np.testing.assert_array_equal(dropped[..., :3], x)
    kept = dropped[..., 3:] != 0
    assert float(kept.mean()) == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(dropped[..., 3:], jnp.where(kept, 2 * whole[..., 3:], 0), rtol=1e-6)
