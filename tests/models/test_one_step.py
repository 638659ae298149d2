"""Training with batch norms is PyTorch's, running statistics included, in a small member of each family."""

from functools import partial

import pytest

from jaxdl import models
from jaxdl.models import densenet
from tests import pytorch
from tests.models.parity import assert_same_step, drawn
from tests.models.test_maxvit import small as small_maxvit
from tests.models.test_maxvit import theirs as torchvisions_maxvit

slow = partial(pytest.param, marks=pytest.mark.slow)
NAMES = [
    "resnet18",
    *map(slow, ("efficientnet_b0", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small")),
    *map(slow, ("regnet_y_400mf", "shufflenet_v2_x0_5")),
    *map(slow, ("alexnet", "squeezenet1_1", "vgg11_bn")),
]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_step_leaves_torchvisions_parameters_and_statistics(name):
    assert_same_step(name, partial(models.create, name), size=64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("convnext_tiny", 64), ("swin_t", 64), ("swin_v2_t", 64), ("vit_b_32", 224)]
)
def test_a_step_leaves_torchvisions_parameters_of_attention_and_layer_norms(name, size, monkeypatch):
    library = pytorch.torchvision().models
    monkeypatch.setattr(library, name, drawn(getattr(library, name)))
    assert_same_step(name, partial(models.create, name), size=size)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 299)])
def test_a_step_with_auxiliary_classifiers_leaves_torchvisions(name, size):
    assert_same_step(name, partial(models.create, name), size=size, init_weights=False, aux_logits=True)


@pytest.mark.long
def test_a_step_leaves_a_small_densenets(monkeypatch):
    library, sizes = pytorch.torchvision().models, (8, (2, 2, 2, 2), 16)
    monkeypatch.setattr(library, "small", lambda weights: library.DenseNet(*sizes), raising=False)
    assert_same_step("small", partial(densenet.DenseNet, *sizes), size=64)


@pytest.mark.long
def test_a_step_leaves_a_small_maxvits(monkeypatch):
    monkeypatch.setattr(pytorch.torchvision().models, "small", drawn(torchvisions_maxvit), raising=False)
    assert_same_step("small", small_maxvit, size=32)
