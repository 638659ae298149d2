import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxdl import models
from jaxdl.report.feature_maps import feature_maps, sheet
from jaxdl.report.layers import layers


def test_maps_are_the_convolutions_outputs_over_all_shades(rng):
    class Two(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = nn.Conv(5, (3, 3), name="first")(x)
            return nn.Dense(2, name="last")(nn.Conv(4, (3, 3), strides=2, name="second")(nn.relu(x)).mean((1, 2)))

    images = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    variables = Two().init(jax.random.key(0), images, train=False)
    found = feature_maps(Two(), variables, images, layers=["first", "second", "last"], channels=3)
    assert list(found) == ["first", "second"]
    assert {name: maps.shape for name, maps in found.items()} == {"first": (2, 3, 8, 8), "second": (2, 3, 4, 4)}
    outputs = np.asarray(nn.Conv(5, (3, 3)).apply({"params": variables["params"]["first"]}, images))[..., :3]
    low, high = outputs.min((1, 2), keepdims=True), outputs.max((1, 2), keepdims=True)
    expected = np.moveaxis(255 * (outputs - low) / (high - low), -1, 1)
    assert np.abs(found["first"] - expected).max() <= 0.51


@pytest.mark.long
def test_layers_of_a_network_inside_layers_are_found(rng):
    model = models.create("resnet18")
    images = rng.normal(size=(1, 32, 32, 3)).astype(np.float32)
    variables = jax.jit(lambda: model.init(jax.random.key(0), images, train=False))()
    order = [layer.name for layer in layers(model, (32, 32, 3))]
    found = feature_maps(model, variables, images, layers=order[:6])
    assert list(found) == ["conv1", "layer1.0.conv1", "layer1.0.conv2"]


def test_a_sheet_has_each_image_beside_its_maps(rng):
    images = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)
    maps = rng.integers(0, 256, (2, 3, 2, 2), np.uint8)
    whole = sheet(images, maps)
    assert whole.shape == (8, 16, 3)
    np.testing.assert_array_equal(whole[4:, :4], images[1])
    np.testing.assert_array_equal(whole[::2, 8::2][:2, 0:2, 1], maps[0, 1])
