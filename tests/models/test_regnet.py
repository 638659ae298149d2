from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.models import regnet
from tests import pytorch
from tests.models.parity import assert_built_alike, assert_drawn_alike, assert_parity

COSTS = ["400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf"]
NAMES = [*(f"regnet_x_{cost}" for cost in COSTS), *(f"regnet_y_{cost}" for cost in (*COSTS, "128gf"))]
QUICK = ["regnet_x_400mf", "regnet_y_400mf"]
LINE = {"depth": 5, "w_0": 16, "w_a": 11.0, "w_m": 2.0, "group_width": 8, "se_ratio": 0.25}

small = partial(regnet.RegNet, 5, 16, 11.0, 2.0, 8, 0.25)


def torchvisions_small(weights=None):
    """torchvision's network of ``LINE``."""
    theirs = pytorch.torchvision().models.regnet
    return theirs.RegNet(theirs.BlockParams.from_init_params(**LINE))


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_torchvisions(name, size):
    assert_parity(name, getattr(regnet, name), size=size, gradient=name in QUICK and size == 64)


@pytest.mark.long
def test_logits_and_gradients_of_a_small_one_equal_torchvisions(monkeypatch):
    monkeypatch.setattr(pytorch.torchvision().models, "small", torchvisions_small, raising=False)
    assert_parity("small", small, size=64, gradient=True)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_layers_are_torchvisions(name, monkeypatch):
    theirs = pytorch.torchvision().models.regnet.BlockParams
    widths = theirs.from_init_params

    def computed(**options):
        with pytorch.torch().device("cpu"):  # the widths are computed by tensors, and the rest is not
            return widths(**options)

    monkeypatch.setattr(theirs, "from_init_params", computed)
    assert_built_alike(name, getattr(regnet, name))


@pytest.mark.long
def test_initial_values_are_drawn_as_torchvision_draws_them():
    assert_drawn_alike(small(num_classes=1000), torchvisions_small)


@pytest.mark.parametrize(("stem", "side"), [("cifar", 32), ("imagenet", 8)])
def test_features_are_what_each_stage_puts_out(stem, side):
    model = regnet.regnet_x_400mf(num_classes=7, stem=stem)
    images = jnp.zeros((2, 32, 32, 3))
    (logits, stages), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 7)
    assert {name: stage.shape for name, stage in stages.items()} == {
        f"trunk_output.block{stage + 1}": (2, side // 2**stage, side // 2**stage, width)
        for stage, width in enumerate((32, 64, 160, 400))
    }
    assert "proj.0" in variables["params"]["trunk_output.block1.block1-0"]  # though its shape stays, for "cifar"


@pytest.mark.parametrize("fields", [{"stem": "cifra"}, {"width": 4}, {"slope": -1.0}, {"step": 1.0}, {"group": 0}])
def test_what_no_network_can_have_is_a_user_error(fields):
    (name,) = fields
    model = small().clone(**fields)
    with pytest.raises(UserError, match=name):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
