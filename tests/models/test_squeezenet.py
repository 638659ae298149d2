import pytest

from jaxdl.models import squeezenet
from tests.models.parity import assert_parity


@pytest.mark.long
@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
@pytest.mark.parametrize("size", [pytest.param(64, marks=pytest.mark.slow), 71])
def test_logits_equal_torchvisions(name, size):
    assert_parity(name, getattr(squeezenet, name), size=size, gradient=size == 71)
