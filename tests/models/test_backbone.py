"""A dilated network computes what the strided one does, at more places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.models.backbone import Backbone, course
from jaxdl.models.segmenter import backbone_of

# one of each family whose maps shrink by strided convolutions of odd size; gates depend on all places of a map
DILATED = ["mnasnet0_5", "mobilenet_v2", "regnet_x_400mf", "resnet18", "resnext50_32x4d", "shufflenet_v2_x0_5"]
GATED = ["efficientnet_b0", "mobilenet_v3_small", "regnet_y_400mf"]
POOLED = ["convnext_tiny", "densenet121", "googlenet", "squeezenet1_1", "vgg11_bn"]


def network_of(name):
    return backbone_of(name, dtype=jnp.float32)


def shapes_of(backbone, size):
    images = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
    return jax.eval_shape(lambda x: backbone.init_with_output(jax.random.key(0), x, train=False), images)


@pytest.mark.long
@pytest.mark.parametrize("name", DILATED)
def test_a_dilated_network_gives_the_strided_ones_map_between_further_places(name, rng):
    network = network_of(name)
    last = list(course(network).strides)[-1]
    strided, dilated = (Backbone(network, (last,), stride) for stride in (32, 8))
    x = rng.normal(size=(2, 93, 64, 3)).astype(np.float32)
    variables = jax.jit(lambda: strided.init(jax.random.key(0), x, train=False))()
    coarse, fine = (
        jax.jit(lambda v, each=each: each.apply(v, x, train=False)[last])(variables) for each in (strided, dilated)
    )
    assert (coarse.shape[1:3], fine.shape[1:3]) == ((3, 2), (12, 8))
    largest = np.abs(coarse).max()
    np.testing.assert_allclose(fine[:, ::4, ::4], coarse, rtol=1e-4, atol=1e-4 * largest)
    assert np.abs(fine[:, 1::4, ::4] - coarse).max() > 0.01 * largest  # the map is no constant


@pytest.mark.parametrize(
    "name",
    ["resnet18", *(pytest.param(name, marks=pytest.mark.long) for name in (*DILATED, *GATED) if name != "resnet18")],
)
def test_strides_end_where_they_are_to(name):
    network = network_of(name)
    stages = tuple(course(network).strides)
    for stride, side in ((32, 2), (16, 4), (8, 8)):
        maps, variables = shapes_of(Backbone(network, stages, stride), (64, 96))
        assert maps[stages[-1]].shape[:3] == (2, side, side * 3 // 2)
        assert set(maps) == set(stages)
        whole = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False))
        assert variables["params"].items() < whole["params"].items()  # its classifier is left out


@pytest.mark.long
@pytest.mark.parametrize("name", POOLED)
def test_networks_that_pool_are_backbones_as_they_are(name):
    network = network_of(name)
    last = list(course(network).strides)[-1]
    maps, _ = shapes_of(Backbone(network, (last,)), (64, 96))
    assert maps[last].shape[1] in (1, 2, 3, 4)
    with pytest.raises(UserError, match="output_stride must be"):
        shapes_of(Backbone(network, (last,), 8), (64, 96))


def test_a_part_of_a_network_has_no_variables_of_the_rest():
    maps, variables = shapes_of(Backbone(network_of("resnet18"), ("layer2",)), (64, 64))
    assert maps["layer2"].shape == (2, 8, 8, 128)
    assert {name.split(".")[0] for name in variables["params"]} == {"conv1", "bn1", "layer1", "layer2"}


def test_a_network_is_itself_again_after_it_was_dilated():
    network = network_of("resnet18")
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)

    def program():
        run = lambda x: network.init_with_output(jax.random.key(0), x, train=False)[0]  # noqa: E731
        return str(jax.make_jaxpr(run)(images))

    before = program()
    shapes_of(Backbone(network, ("layer4",), 8), (64, 64))
    assert program() == before


@pytest.mark.parametrize(
    ("name", "stages", "message"),
    [
        ("resnet18", ("layer5",), "no stage 'layer5'. It has: layer1, layer2, layer3, layer4"),
        ("vit_b_16", ("encoder",), "tokens, not maps"),
    ],
)
def test_what_is_no_backbone_is_a_user_error(name, stages, message):
    with pytest.raises(UserError, match=message):
        shapes_of(Backbone(network_of(name), stages), (64, 64))


TOKENS = ("dinov2", "vit")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in models.names() if not name.startswith(TOKENS)])
def test_every_classifier_of_maps_is_a_backbone(name):
    network = network_of(name)
    last = list(course(network).strides)[-1]
    maps, _ = shapes_of(Backbone(network, (last,)), (224, 224))
    assert maps[last].shape[1] in (5, 7, 14)
