import jax
import jax.numpy as jnp
import pytest

from jaxdl.models import shufflenet_v2
from tests.models.parity import assert_parity

NAMES = ["shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"]


@pytest.mark.long
@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])])
def test_logits_equal_torchvisions(name):
    assert_parity(name, getattr(shufflenet_v2, name), size=64, gradient=name == "shufflenet_v2_x0_5")


@pytest.mark.parametrize(("stem", "sides"), [("cifar", (16, 8, 4)), ("imagenet", (4, 2, 1))])
def test_features_are_what_each_stage_puts_out(stem, sides):
    model = shufflenet_v2.shufflenet_v2_x1_0(num_classes=7, stem=stem)
    images = jnp.zeros((2, 32, 32, 3))
    (logits, stages), _ = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 7)
    assert {name: stage.shape for name, stage in stages.items()} == {
        f"stage{number}": (2, side, side, width)
        for number, side, width in zip((2, 3, 4), sides, (116, 232, 464), strict=True)
    }
