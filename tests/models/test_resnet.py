import jax
import jax.numpy as jnp
import pytest

from jaxdl.models import resnet
from tests.models.parity import assert_parity

QUICK = ["resnet18", "resnet50"]
SLOW = [
    "wide_resnet50_2",
    "resnext50_32x4d",
    "resnet34",
    "resnet101",
    "resnet152",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet101_2",
]


@pytest.mark.long
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_logits_equal_torchvisions(name):
    assert_parity(name, getattr(resnet, name), size=64, gradient=name in ("resnet18", "resnext50_32x4d"))


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_features_are_what_each_stage_puts_out(stem):
    model = resnet.resnet18(stem=stem)
    images = jnp.zeros((2, 64, 64, 3))
    (logits, stages), _ = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 10)
    side = 64 if stem == "cifar" else 16
    assert {name: stage.shape for name, stage in stages.items()} == {
        f"layer{number}": (2, side // 2 ** (number - 1), side // 2 ** (number - 1), 32 * 2**number)
        for number in (1, 2, 3, 4)
    }
