from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.models import maxvit
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import layout, to_pytorch
from tests import pytorch
from tests.models.parity import assert_parity, drawn

small = partial(maxvit.MaxViT, 8, (32,), (2,), 0.2, 4)


def theirs(**options):
    """torchvision's of the same sizes."""
    sizes = {"stem_channels": 8, "block_channels": [32], "block_layers": [2], "head_dim": 32, "partition_size": 4}
    return pytorch.torchvision().models.MaxVit((32, 32), stochastic_depth_prob=0.2, **sizes, **options)


@pytest.mark.slow
def test_logits_equal_torchvisions(monkeypatch):
    library = pytorch.torchvision().models
    monkeypatch.setattr(library, "maxvit_t", drawn(library.maxvit_t))
    assert_parity("maxvit_t", maxvit.maxvit_t, size=224)


@pytest.mark.long
def test_logits_and_gradients_of_a_small_one_equal_torchvisions(monkeypatch):
    monkeypatch.setattr(pytorch.torchvision().models, "small", drawn(theirs), raising=False)
    assert_parity("small", small, size=32, gradient=True)  # 8 places: windows and grids are two apart


def test_published_parameter_count():
    model = maxvit.maxvit_t(num_classes=1000)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 224, 224, 3)), train=False))
    assert parameter_count(variables["params"]) == 30_919_624


@pytest.mark.long
def test_initial_values_are_drawn_as_torchvision_draws_them():
    pytorch.torch().manual_seed(0)
    module, model = theirs(), small(num_classes=1000)
    expected = {name: tensor.numpy() for name, tensor in module.state_dict().items() if "num_batches" not in name}
    variables = jax.jit(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))()
    ours = to_pytorch(variables, **layout(model))
    assert ours.keys() == expected.keys()
    for name, array in ours.items():
        assert array.shape == expected[name].shape, name
        if expected[name].std() == 0 or "index" in name:
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        elif array.size > 200:
            assert array.std() == pytest.approx(expected[name].std(), rel=0.2), name
            assert abs(array).max() == pytest.approx(abs(expected[name]).max(), rel=0.5), name
    module.load_state_dict({name: pytorch.torch().tensor(array) for name, array in ours.items()}, strict=True)


@pytest.mark.parametrize(
    ("stem", "size", "sides"),
    [("cifar", (32, 64), (32, 16, 8, 4)), ("imagenet", (224, 448), (56, 28, 14, 7)), ("imagenet", (223, 223), None)],
)
def test_features_are_what_each_stage_puts_out(stem, size, sides):
    model = maxvit.maxvit_t(num_classes=7, stem=stem)
    (logits, stages), _ = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, *size, 3)), train=False, features=True)
    )
    assert logits.shape == (2, 7)
    widths = (64, 128, 256, 512)
    if sides is not None:  # twice as wide as high
        assert {name: stage.shape for name, stage in stages.items()} == {
            f"blocks.{at}": (2, sides[at], 2 * sides[at], widths[at]) for at in range(4)
        }


@pytest.mark.parametrize(
    ("stem", "size", "such"), [("cifar", (28, 32), 32), ("imagenet", (224, 256), 224), ("imagenet", (64, 64), 224)]
)
def test_sides_that_windows_do_not_divide_are_a_user_error(stem, size, such):
    model = maxvit.maxvit_t(stem=stem)
    with pytest.raises(UserError, match=rf"such as {such}; got shape \(1, {size[0]}, {size[1]}, 3\)"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, *size, 3)), train=False))


@pytest.mark.parametrize("grid", [False, True])
def test_a_place_attends_to_its_window_or_its_grid(grid):
    layer = maxvit.PartitionAttention(2, grid, 0.0)
    x = jax.random.normal(jax.random.key(0), (1, 4, 6, 32))
    variables = jax.jit(partial(layer.init, train=False))(jax.random.key(1), x)
    apply = jax.jit(partial(layer.apply, train=False))
    changed = apply(variables, x.at[0, 1, 1].add(jnp.arange(32.0))) - apply(variables, x)
    reached = np.argwhere(np.abs(changed[0]).max(-1) > 1e-9).tolist()
    rows, columns = ((1, 3), (1, 4)) if grid else ((0, 1), (0, 1))
    assert reached == [[row, column] for row in rows for column in columns]


@pytest.mark.parametrize("layer", ["mbconv", "attention"])
def test_stochastic_depth_leaves_whole_examples_to_the_shortcut(layer):
    x = jax.random.normal(jax.random.key(0), (64, 4, 4, 32))
    if layer == "attention":
        module = maxvit.PartitionAttention(2, False, 0.5)
    else:
        norm = partial(maxvit.nn.BatchNorm, use_running_average=True)
        module = maxvit.MBConv(32, 1, False, 0.5, partial(maxvit.Conv), norm)
    variables = jax.jit(partial(module.init, train=False))(jax.random.key(1), x)
    drawn = jax.jit(partial(module.apply, train=True))(variables, x, rngs={"dropout": jax.random.key(2)}) - x
    gone = np.asarray(jnp.all(drawn == 0, axis=(1, 2, 3)))
    assert (6 < gone.sum() < 26) if layer == "attention" else (16 < gone.sum() < 48)  # of two branches, of one
    touched = np.asarray(jnp.all(jnp.any(drawn != 0, axis=-1), axis=(1, 2)))
    assert (gone ^ touched).all()


@pytest.mark.long
@pytest.mark.parametrize("field", ["dropout", "attention_dropout", "stochastic_depth"])
def test_dropout_takes_its_key_in_training_only(field):
    model = small().clone(**{"stochastic_depth": 0.0, field: 0.5})
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(1), images)

    @partial(jax.jit, static_argnames="train")
    def apply(seed, train):
        rngs = {"dropout": jax.random.key(seed)} if train else None
        return model.apply(variables, images, train=train, rngs=rngs, mutable=["batch_stats"])[0]

    np.testing.assert_array_equal(apply(2, True), apply(2, True))
    assert not np.allclose(apply(2, True), apply(9, True))
    np.testing.assert_array_equal(apply(2, False), apply(9, False))


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(
            lambda: maxvit.maxvit_t(stem="cifra").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
        )
