from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.models import swin, swin_v2, window_attention
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, layout, to_pytorch
from tests import pytorch
from tests.models.parity import assert_parity, drawn

PARAMETERS = {  # published
    "swin_t": 28_288_354,
    "swin_s": 49_606_258,
    "swin_b": 87_768_224,
    "swin_v2_t": 28_351_570,
    "swin_v2_s": 49_737_442,
    "swin_v2_b": 87_930_848,
}
SMALL = {
    "swin": partial(swin.SwinTransformer, 24, (2, 2), (2, 4), 0.2, 5),
    "swin_v2": partial(swin_v2.SwinTransformerV2, 24, (2, 2), (2, 4), 0.2, 5),
}


def theirs(family, **options):
    """torchvision's of the same sizes."""
    library = pytorch.torchvision().models.swin_transformer
    if family == "swin_v2":
        options |= {"block": library.SwinTransformerBlockV2, "downsample_layer": library.PatchMergingV2}
    return library.SwinTransformer([4, 4], 24, [2, 2], [2, 4], [5, 5], stochastic_depth_prob=0.2, **options)


def initial(model, side=32):
    return jax.jit(lambda: model.init(jax.random.key(0), jnp.zeros((1, side, side, 3)), train=False))()


@pytest.mark.slow
@pytest.mark.parametrize("size", [52, 100])  # the first stage is 13 and 25 places wide
@pytest.mark.parametrize("name", PARAMETERS)
def test_logits_equal_torchvisions(name, size, monkeypatch):
    library = pytorch.torchvision().models
    monkeypatch.setattr(library, name, drawn(getattr(library, name)))
    assert_parity(name, models.MODELS[name], size=size, gradient=name.endswith("_t") and size == 100)


@pytest.mark.long
@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.slow) if name == "swin_v2" else name for name in SMALL]
)
def test_logits_and_gradients_of_a_small_one_equal_torchvisions(family, monkeypatch):
    monkeypatch.setattr(pytorch.torchvision().models, "small", drawn(partial(theirs, family)), raising=False)
    assert_parity("small", SMALL[family], size=52, gradient=True)  # 13 places, then 7: an odd side is merged


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("size", [(4, 13), (11, 5), (10, 15), (3, 2)])  # windows of 5
def test_a_shifted_block_equals_torchvisions(family, size, rng):
    """Also where one axis is no wider than a window, and is not shifted."""
    torch = pytorch.torch()
    torch.manual_seed(0)
    block = drawn(partial(theirs, family))().features[1][1].eval()
    arrays = {name: tensor.numpy() for name, tensor in block.state_dict().items() if "relative_" not in name[-25:]}
    arrays |= {name: tensor.detach().numpy() for name, tensor in block.named_parameters()}
    images = rng.normal(size=(2, *size, 24)).astype(np.float32)
    kind = swin.SwinBlock if family == "swin" else swin_v2.SwinBlockV2
    ours = kind(2, 5, 2)
    shapes = jax.eval_shape(lambda: ours.init(jax.random.key(0), images, train=False))
    found = jax.jit(partial(ours.apply, train=False))(from_pytorch(arrays, shapes), images)
    with torch.no_grad():
        pytorch.assert_close(found, block(torch.tensor(images)))


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_parameter_counts(name):
    model = models.MODELS[name](num_classes=1000)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False))
    assert parameter_count(variables["params"]) == PARAMETERS[name]


@pytest.mark.parametrize("family", SMALL)
def test_initial_values_are_drawn_as_torchvision_draws_them(family):
    pytorch.torch().manual_seed(0)
    expected = {name: tensor.numpy() for name, tensor in theirs(family).state_dict().items()}
    model = SMALL[family](num_classes=1000)
    ours = to_pytorch(initial(model), **layout(model))
    assert ours.keys() == expected.keys()
    for name, array in ours.items():
        assert array.shape == expected[name].shape, name
        if expected[name].std() == 0 or "relative_coords" in name or "index" in name:
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        elif array.size > 100:
            assert array.std() == pytest.approx(expected[name].std(), rel=0.2), name
            # the largest of so many tells a uniform distribution from a normal one
            assert abs(array).max() == pytest.approx(abs(expected[name]).max(), rel=0.5), name


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
@pytest.mark.parametrize(("stem", "size"), [("cifar", (32, 32)), ("cifar", (20, 28)), ("imagenet", (64, 100))])
def test_features_are_what_each_stage_puts_out(name, stem, size):
    model = models.create(name, num_classes=7, stem=stem)
    (logits, stages), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, *size, 3)), train=False, features=True)
    )
    assert logits.shape == (2, 7)
    patch = 1 if stem == "cifar" else 4
    sides = [[-(-side // patch // 2**stage) for side in size] for stage in range(4)]
    assert {stage: out.shape for stage, out in stages.items()} == {
        f"features.{2 * at + 1}": (2, *sides[at], 96 * 2**at) for at in range(4)
    }
    assert variables["params"]["features.0.0"]["kernel"].shape == (patch, patch, 3, 96)


def test_windows_and_back_are_the_image(rng):
    images = rng.normal(size=(2, 6, 9, 4))
    windows = window_attention.split(images, 3)
    assert windows.shape == (2, 6, 9, 4)
    np.testing.assert_array_equal(windows[:, 4], images[:, 3:, 3:6].reshape(2, 9, 4))
    np.testing.assert_array_equal(window_attention.join(windows, 6, 9), images)


def test_places_on_other_sides_of_an_edge_do_not_attend_to_each_other():
    """A change at the left edge reaches the right one through a window that the roll made, unless that is barred."""
    attention = swin.ShiftedWindowAttention(2, 4, 2)
    images = jax.random.normal(jax.random.key(0), (1, 8, 8, 8))
    variables = attention.init(jax.random.key(1), images, train=False)

    def reached(row, column):
        changed = images.at[0, row, column].add(1.0)
        difference = attention.apply(variables, changed, train=False) - attention.apply(variables, images, train=False)
        return np.argwhere(np.abs(difference[0]).max(-1) > 1e-9)

    def box(rows, columns):
        return [[row, column] for row in rows for column in columns]

    assert reached(0, 0).tolist() == box(range(2), range(2))
    assert reached(3, 7).tolist() == box(range(2, 6), range(6, 8))
    assert reached(4, 4).tolist() == box(range(2, 6), range(2, 6))


@pytest.mark.parametrize("family", SMALL)
def test_stochastic_depth_leaves_whole_examples_to_the_shortcut(family):
    kind = swin.SwinBlock if family == "swin" else swin_v2.SwinBlockV2
    block = kind(2, 4, 0, 0.5)
    x = jax.random.normal(jax.random.key(0), (64, 4, 4, 8))
    variables = jax.jit(partial(block.init, train=False))(jax.random.key(1), x)
    drawn = jax.jit(partial(block.apply, train=True))(variables, x, rngs={"dropout": jax.random.key(2)}) - x
    gone = np.asarray(jnp.all(drawn == 0, axis=(1, 2, 3)))
    assert 6 < gone.sum() < 26  # of both branches: a quarter
    touched = np.asarray(jnp.all(jnp.any(drawn != 0, axis=-1), axis=(1, 2)))
    assert (gone ^ touched).all()


def test_stochastic_depth_rises_to_its_rate_at_the_last_block():
    rates = []

    def note(call, args, kwargs, context):
        if isinstance(context.module, swin.SwinBlock) and context.method_name == "__call__":
            rates.append(context.module.drop_rate)
        return call(*args, **kwargs)

    with swin.nn.intercept_methods(note):
        jax.eval_shape(lambda: initial(models.create("swin_s")))
    np.testing.assert_allclose(rates, np.linspace(0, 0.3, 24))


@pytest.mark.slow
@pytest.mark.parametrize("field", ["dropout", "attention_dropout", "stochastic_depth"])
def test_dropout_takes_its_key_in_training_only(field):
    off = dict.fromkeys(("dropout", "attention_dropout", "stochastic_depth"), 0.0)
    model = models.create("swin_t", stem="cifar", depths=(1, 1), width=8, heads=(2, 2), **{**off, field: 0.5})
    images = jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(1), images)
    apply = jax.jit(model.apply, static_argnames="train")
    one, again, other = (
        apply(variables, images, train=True, rngs={"dropout": jax.random.key(seed)}) for seed in (2, 2, 9)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(*(apply(variables, images, train=False) for _ in range(2)))


@pytest.mark.long
def test_gradients_of_padding_are_finite_and_the_bias_of_keys_has_none():
    block = swin_v2.SwinBlockV2(2, 4, 2)
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 8))
    variables = jax.jit(partial(block.init, train=False))(jax.random.key(1), x)
    weights = jax.random.normal(jax.random.key(2), x.shape)
    slopes = jax.jit(jax.grad(lambda v: (block.apply(v, x, train=False) * weights).sum()))(variables)["params"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes):
        assert np.isfinite(leaf).all(), path
        assert (np.asarray(leaf) != 0).any(), path
    bias = np.asarray(slopes["attn"]["qkv"]["bias"]).reshape(3, -1)
    assert (bias[1] == 0).all()
    assert (bias[::2] != 0).all()


@pytest.mark.long
def test_many_sets_of_parameters_are_applied_at_once():
    block = swin_v2.SwinBlockV2(2, 4, 2)
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 8))
    both = jax.jit(jax.vmap(lambda key: block.init(key, x, train=False)))(jax.random.split(jax.random.key(1)))
    apply = jax.jit(lambda variables: block.apply(variables, x, train=False))
    together = jax.jit(jax.vmap(apply))(both)
    for at in range(2):
        pytorch.assert_close(together[at], apply(jax.tree.map(lambda leaf, at=at: leaf[at], both)))


@pytest.mark.parametrize("family", SMALL)
def test_pytorch_takes_what_is_exported_strictly(family):
    model = SMALL[family](num_classes=1000)
    arrays = to_pytorch(initial(model), **layout(model))
    theirs(family).load_state_dict({name: pytorch.torch().tensor(array) for name, array in arrays.items()}, strict=True)


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_rates_that_cannot_be_are_refused(rate):
    with pytest.raises(UserError, match="stochastic_depth must be from 0 to 1"):
        models.create("swin_t", stochastic_depth=rate)


def test_unknown_stem_is_a_user_error():
    with pytest.raises(UserError, match="stem"):
        jax.eval_shape(lambda: initial(swin.swin_t(stem="cifra")))
