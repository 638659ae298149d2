"""Families whose own tests take images of one size: torchvision's logits at another, where maps are cut unevenly."""

from functools import partial

import pytest

from jaxdl import models
from tests import pytorch
from tests.models.parity import assert_parity, drawn
from tests.models.test_densenet import SLOW as DENSENETS
from tests.models.test_resnet import QUICK as RESNETS
from tests.models.test_resnet import SLOW as DEEP_RESNETS
from tests.models.test_shufflenet_v2 import NAMES as SHUFFLENETS
from tests.models.test_vgg import NAMES as VGGS

NAMES = [
    *(*RESNETS, *DEEP_RESNETS, "densenet121", *DENSENETS, *SHUFFLENETS, *VGGS),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_torchvisions(name):
    assert_parity(name, partial(models.create, name), size=75)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("alexnet", 127, {}),
        ("googlenet", 70, {"init_weights": False}),
        ("inception_v3", 101, {"init_weights": True}),
        ("maxvit_t", 448, {"input_size": (448, 448)}),
    ],
)
def test_logits_of_networks_with_a_least_size_equal_torchvisions(name, size, options, monkeypatch):
    library = pytorch.torchvision().models
    if name == "maxvit_t":
        monkeypatch.setattr(library, name, drawn(getattr(library, name)))
    assert_parity(name, partial(models.create, name), size=size, **options)
