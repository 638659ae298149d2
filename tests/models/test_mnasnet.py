import jax
import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.models import mnasnet
from jaxdl.transfer.conversion import from_pytorch
from tests import pytorch
from tests.models.parity import assert_built_alike, assert_drawn_alike, assert_parity

NAMES = ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]


@pytest.mark.long
@pytest.mark.parametrize("size", [64, pytest.param(96, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["mnasnet0_5", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])])
def test_logits_equal_torchvisions(name, size):
    assert_parity(name, getattr(mnasnet, name), size=size, gradient=name == "mnasnet0_5" and size == 64)


def test_the_first_versions_stem_is_as_wide_at_any_width():
    module = pytorch.torchvision().models.mnasnet0_5()
    state = module.state_dict()
    state._metadata[""]["version"] = 1
    # torchvision changes the network before it compares shapes, and these arrays are the second version's
    with (
        pytest.warns(UserWarning, match="A new version of MNASNet"),
        pytest.raises(RuntimeError, match="size mismatch"),
    ):
        module.load_state_dict(state)
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    model = mnasnet.mnasnet0_5(num_classes=1000, scaled_stem=False)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False))
    from_pytorch(arrays, shapes)  # raises if a name or a shape differs
    with pytest.raises(UserError, match="other shapes"):
        from_pytorch({name: tensor.numpy() for name, tensor in state.items()}, shapes)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_layers_are_torchvisions(name):
    assert_built_alike(name, getattr(mnasnet, name))


@pytest.mark.long
def test_initial_values_are_drawn_as_torchvision_draws_them():
    assert_drawn_alike(mnasnet.mnasnet0_5(num_classes=1000), pytorch.torchvision().models.mnasnet0_5)


@pytest.mark.parametrize(("stem", "sides"), [("cifar", (32, 16, 8, 8, 4, 4)), ("imagenet", (8, 4, 2, 2, 1, 1))])
def test_features_are_what_each_stage_puts_out(stem, sides):
    model = mnasnet.mnasnet1_0(num_classes=7, stem=stem)
    images = jnp.zeros((2, 32, 32, 3))
    (logits, stages), _ = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    assert logits.shape == (2, 7)
    assert {name: stage.shape for name, stage in stages.items()} == {
        f"layers.{stage}": (2, side, side, width)
        for stage, side, width in zip(range(8, 14), sides, (24, 40, 80, 96, 192, 320), strict=True)
    }


def test_unknown_stem_is_a_user_error():
    model = mnasnet.mnasnet0_5(stem="cifra")
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
