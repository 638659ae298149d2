import pytest

from jaxdl.models import vgg
from tests.models.parity import assert_parity

NAMES = ["vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]
QUICK = ["vgg16_bn"]  # the others, and gradients, take gigabytes


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_logits_equal_torchvisions(name):
    assert_parity(name, getattr(vgg, name), size=64, gradient=name == "vgg13")
