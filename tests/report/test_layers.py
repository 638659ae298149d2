"""Counts against the published ones, PyTorch's own counter and the formulas of the notes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxdl import models
from jaxdl.nn import LSTM, Conv, DepthwiseSeparableConv
from jaxdl.report.layers import Layer, grouped, layers, total
from tests import pytorch

OURS = ("cifar_cnn", "quick_cnn")
ONE_OF_EACH = {
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11_bn",
    "vit_b_16", "wide_resnet50_2",
}  # fmt: skip
PUBLISHED = [
    name if name in ONE_OF_EACH else pytest.param(name, marks=pytest.mark.slow)
    for name in models.names()
    if name not in OURS and not name.startswith("dinov2_")
]


@pytest.mark.long
@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    published = pytorch.torchvision().models.get_model_weights(name)
    # the largest are published as trained by other recipes alone, of which this one takes images of the usual size
    weights = published["IMAGENET1K_V1" if "IMAGENET1K_V1" in published.__members__ else "IMAGENET1K_SWAG_LINEAR_V1"]
    size = weights.transforms.keywords["crop_size"]
    options = {"auxiliary": False} if name == "googlenet" else {}  # published without
    model = models.MODELS[name](num_classes=1000, **options)
    whole = total(layers(model, (size, size, 3)))
    assert whole.parameters == weights.meta["num_params"]
    assert round(whole.multiply_adds / 1e9, 3) == weights.meta["_ops"]


def test_every_layer_counts_as_in_pytorch():
    torch = pytorch.torch()
    pytorch.torchvision()
    from torch.utils.flop_counter import FlopCounterMode
    from torchvision.models import shufflenet_v2_x0_5

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shufflenet_v2_x0_5().eval()(torch.zeros(1, 3, 64, 64))
    theirs = {name.partition(".")[2]: sum(counts.values()) // 2 for name, counts in counter.get_flop_counts().items()}
    ours = layers(models.create("shufflenet_v2_x0_5", num_classes=1000), (64, 64, 3))
    counted = {layer.name: layer.multiply_adds for layer in ours if layer.multiply_adds}
    assert counted == {name: theirs[name] for name in counted}
    assert sum(counted.values()) == theirs[""]


def test_the_formulas_hold():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = Conv(128, (3, 3), stride=2, padding=1, name="full")(x)
            return DepthwiseSeparableConv(64, (3, 3), padding=1, name="separable")(x)

    full, depthwise, pointwise = layers(Two(), (56, 56, 128))
    places = 28 * 28
    assert full == Layer(
        name="full",
        kind="Conv",
        output=(28, 28, 128),
        parameters=9 * 128 * 128 + 128,
        multiply_adds=places * 9 * 128 * 128,
        weight_bytes=4 * (9 * 128 * 128 + 128),
        output_bytes=4 * places * 128,
    )
    assert depthwise.multiply_adds == places * 9 * 128
    assert pointwise.multiply_adds == places * 128 * 64
    assert depthwise.parameters + pointwise.parameters == 9 * 128 + 128 + 128 * 64 + 64


def test_a_scan_counts_as_often_as_it_runs():
    class Recurrent(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return LSTM(16, name="lstm")(x.reshape(1, -1, 3), train=train)[0]

    assert total(layers(Recurrent(), (5, 4, 3))).multiply_adds == 20 * 4 * (3 * 16 + 16 * 16)


def test_statistics_and_half_precision_count_their_bytes():
    found = {layer.name: layer for layer in layers(models.create("resnet18", dtype=jnp.bfloat16), (32, 32, 3))}
    assert found["bn1"].parameters == 128
    assert found["bn1"].weight_bytes == 4 * 256
    assert found["conv1"].output_bytes == 2 * 16 * 16 * 64


def test_auxiliary_classifiers_have_parameters_and_no_multiply_adds_of_evaluation():
    found = layers(models.create("googlenet"), (64, 64, 3))
    auxiliary = [layer for layer in found if layer.name.startswith("aux1")]
    assert sum(layer.parameters for layer in auxiliary) > 0
    assert not any(layer.multiply_adds for layer in auxiliary)


def test_groups_add_up():
    found = layers(models.create("resnet18"), (64, 64, 3))
    stages = grouped(found, 1)
    assert [layer.name for layer in stages] == ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert stages[2].kind == "8 layers"
    assert stages[2].output == (16, 16, 64)
    for name in ("parameters", "multiply_adds", "weight_bytes", "output_bytes"):
        assert sum(getattr(layer, name) for layer in stages) == getattr(total(found), name)


def test_nothing_is_computed_or_left_behind():
    before = len(jax.live_arrays())
    layers(models.create("vit_l_16"), (32, 32, 3))
    assert len(jax.live_arrays()) <= before + 2
