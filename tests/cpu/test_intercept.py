"""Each of linen's convolutions takes the way that pays, in training and in evaluation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

import jaxdl.nn
from jaxdl import losses, optim
from jaxdl.cpu import convolution
from jaxdl.cpu.convolution import dense, depthwise, intercept, products, winograd
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step
from tests.cpu.compared import assert_same, drawn


class Convolutions(nn.Module):
    """Every kind there is: with and without stride, groups, dilation, a bias; linen's and this project's."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(32, (3, 3), padding=1)(x)
        x = nn.Conv(32, (3, 3), padding="SAME")(x)
        x = jaxdl.nn.Conv(32, (5, 5), padding=2)(x)
        x = nn.Conv(32, (3, 3), strides=2, padding=1, use_bias=False)(x)
        x = nn.Conv(32, (3, 3), kernel_dilation=2)(x)
        x = nn.Conv(64, (3, 3), feature_group_count=32)(x)
        x = nn.Conv(32, (1, 1))(x)
        return nn.Dense(10)(x.mean((1, 2)))


@pytest.fixture
def taken(monkeypatch):
    """The kernels' shapes, in the order in which each way was traced."""
    found = {"winograd": [], "products": [], "dense": []}
    for name, module in (("winograd", winograd), ("products", products), ("dense", dense)):
        whole = module.convolution

        def noted(x, kernel, *rest, whole=whole, name=name):
            found[name].append(kernel.shape)
            return whole(x, kernel, *rest)

        monkeypatch.setattr(module, "convolution", noted)
    return found


@pytest.fixture
def setting(rng, monkeypatch):
    monkeypatch.setattr(intercept, "LEAST_PRODUCTS", 1)
    monkeypatch.setattr(intercept, "LEAST_REUSE", 288)  # 32 channels
    model = Convolutions()
    batch = {
        "images": drawn(rng, (8, 12, 12, 3), "float32"),
        "labels": jnp.asarray(rng.integers(0, 10, 8), jnp.int32),
    }
    optimizer = optim.create("sgd", learning_rate=0.1)
    return (
        lambda: make_train_step(model, optimizer, losses.cross_entropy),
        lambda: create_state(model, optimizer, jax.random.key(0), batch["images"]),
        batch,
        model,
    )


@pytest.mark.long
def test_step_takes_the_fast_way_for_any_model(setting, taken):
    make_step, state, batch, _ = setting
    with convolution.tracing(plain=True):
        plain = make_step()(state(), batch)
    assert taken == {"winograd": [], "products": [], "dense": []}
    fast = make_step()(state(), batch)
    assert taken == {"winograd": [(3, 3, 32, 32), (5, 5, 32, 32)], "products": [], "dense": []}
    assert_same(jax.tree.leaves(fast[0].params), jax.tree.leaves(plain[0].params), 1e-5)
    assert float(fast[1]["grad_norm"].value) == pytest.approx(float(plain[1]["grad_norm"].value), rel=1e-5)


@pytest.mark.long
def test_looped_step_takes_products_for_the_rest(setting, taken):
    make_step, state, batch, _ = setting
    expected = make_step()(state(), batch)
    step = make_step().__wrapped__
    with convolution.tracing(looped=True):
        found = jax.jit(step)(state(), batch)
    assert taken["products"] == [(3, 3, 3, 32), *[(3, 3, 32, 32)] * 2, (1, 1, 64, 32)]
    assert_same(jax.tree.leaves(found[0].params), jax.tree.leaves(expected[0].params), 1e-5)


def test_line_search_takes_products_in_its_loop(setting, taken):
    _, _, batch, model = setting
    optimizer = optim.create("lbfgs", learning_rate=0.1, max_iter=2)
    step = make_train_step(model, optimizer, losses.cross_entropy)
    step.lower(create_state(model, optimizer, jax.random.key(0), batch["images"]), batch)
    assert (3, 3, 3, 32) in taken["products"]


@pytest.mark.long
def test_evaluation_takes_the_fast_way(setting, taken):
    _, state, batch, model = setting
    state = state()
    metrics = make_eval_step(model, losses.cross_entropy)(state, batch)
    assert taken["winograd"] == [(3, 3, 32, 32), (5, 5, 32, 32)]
    expected = losses.cross_entropy(model.apply(state.variables, batch["images"], train=False), batch["labels"]).mean()
    assert float(metrics["loss"].value) == pytest.approx(float(expected), rel=1e-5)


def test_layers_keep_their_parameters_names(setting):
    _, state, _, model = setting
    with convolution.fast():
        inside = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((6, 12, 12, 3)), train=False))
    assert jax.tree.structure(inside["params"]) == jax.tree.structure(state().params)


def test_own_convolutions_are_left_alone(monkeypatch):
    called = []

    def own(*args, **kwargs):
        called.append(True)
        return jax.lax.conv_general_dilated(*args, **kwargs)

    layer = nn.Conv(64, (3, 3), conv_general_dilated=own)
    x = jnp.ones((16, 8, 8, 64))
    variables = layer.init(jax.random.key(0), x)
    called.clear()
    monkeypatch.setattr(intercept, "LEAST_PRODUCTS", 1)
    with convolution.fast():
        layer.apply(variables, x)
    assert called


@pytest.mark.parametrize(
    ("shape", "features", "fast"),
    [
        ((16, 8, 8, 64), 64, False),  # little work
        ((64, 16, 16, 49), 49, True),
        ((64, 16, 16, 48), 49, False),  # few channels
        ((64, 16, 16, 49), 48, False),
        ((64, 15, 15, 49), 49, False),  # tiles that the image does not fill
        ((64, 15, 15, 64), 64, True),
        ((15, 8, 8, 512), 512, False),  # 60 tiles
        ((16, 8, 8, 512), 512, True),
    ],
)
def test_convolutions_are_fast_where_it_pays(taken, shape, features, fast):
    layer = nn.Conv(features, (3, 3))

    def run():
        x = jnp.ones(shape)
        return layer.apply(layer.init(jax.random.key(0), x[:1, :1, :1]), x)

    with convolution.fast():
        jax.eval_shape(run)
    assert bool(taken["winograd"]) == fast


@pytest.mark.parametrize("conditions", [{}, {"plain": True}, {"divided": True}, {"looped": True}])
@pytest.mark.parametrize(("side", "small"), [(1, True), (2, True), (3, False)])
def test_images_smaller_than_the_kernel_take_one_product(taken, conditions, side, small):
    layer, x = nn.Conv(8, (3, 3), padding=1), jnp.ones((4, side, side, 8))
    variables = layer.init(jax.random.key(0), x)
    with convolution.tracing(**conditions), convolution.fast():
        jax.eval_shape(layer.apply, variables, x)
    assert bool(taken["dense"]) == small
    assert bool(taken["products"]) == (not small and "looped" in conditions)


@pytest.mark.parametrize(
    ("shape", "window", "padding"),
    [((2, 1, 1, 3), (3, 3), "VALID"), ((0, 2, 2, 3), (3, 3), "SAME"), ((2, 1, 1, 3), (7, 7), ((1, 1), (2, 1)))],
)
def test_images_and_outputs_of_nothing_are_what_linen_makes_of_them(shape, window, padding):
    layer, x = nn.Conv(4, window, padding=padding), jnp.zeros(shape)
    variables = {"params": {"kernel": jnp.ones((*window, 3, 4)), "bias": jnp.ones(4)}}
    with convolution.fast():
        found = layer.apply(variables, x)
    assert found.shape == layer.apply(variables, x).shape


def test_depthwise_layers_take_the_fast_way(monkeypatch):
    called = []
    monkeypatch.setattr(depthwise, "convolution", lambda x, *rest: called.append(x.shape) or x)
    layer = nn.Conv(8, (3, 3), feature_group_count=8)
    x = jnp.zeros((2, 8, 8, 8))
    for conditions in ({}, {"plain": True}, {"looped": True}, {"divided": True}):
        with convolution.tracing(**conditions), convolution.fast():
            jax.eval_shape(lambda: layer.init_with_output(jax.random.key(0), x))
    assert called == [x.shape] * 4
