from jaxdl.models.alexnet import AlexNet
from tests.models.parity import assert_parity


def test_logits_and_gradients_equal_torchvisions():
    assert_parity("alexnet", AlexNet, size=95, gradient=True)
