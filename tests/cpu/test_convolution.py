"""The fast convolutions against XLA's, in value and in both gradients, and against PyTorch."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl.nn
from jaxdl import losses, optim
from jaxdl.cpu import convolution
from jaxdl.cpu.convolution import dense, depthwise, intercept, products, toom_cook, winograd
from jaxdl.train.eval_step import make_eval_step
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step


def drawn(rng, shape, dtype):
    return jnp.asarray(rng.standard_normal(shape), dtype)


def value_and_gradients(function, x, kernel):
    sent = drawn(np.random.default_rng(1), jax.eval_shape(function, x, kernel).shape, x.dtype)

    @jax.jit
    def all_three(x, kernel, sent):
        value, pullback = jax.vjp(function, x, kernel)
        return value, *pullback(sent)

    return all_three(x, kernel, sent)


def assert_same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def xla(x, kernel, pads, strides=(1, 1), dilation=(1, 1)):
    names = products.CHANNELS_LAST[x.ndim]
    return jax.lax.conv_general_dilated(x, kernel, strides, pads, rhs_dilation=dilation, dimension_numbers=names)


@pytest.mark.parametrize("taps", winograd.TAPS)
def test_matrices_give_the_sliding_sums(rng, taps):
    one = toom_cook.matrices(winograd.TILE, taps)
    x, w = rng.standard_normal(winograd.TILE + taps - 1), rng.standard_normal(taps)
    np.testing.assert_allclose(
        one.outputs.T @ ((one.kernel @ w) * (one.inputs @ x)), np.correlate(x, w, "valid"), rtol=1e-12, atol=1e-13
    )


ONE, TWO = ((1, 1), (1, 1)), ((2, 2), (2, 2))
WINOGRAD = [
    ((8, 8), (3, 3), ONE),
    ((7, 5), (3, 3), ((0, 0), (2, 1))),
    ((1, 4), (3, 3), ((1, 1), (0, 2))),
    ((8, 9), (5, 5), TWO),
    ((3, 6), (5, 5), ((4, 0), (1, 3))),
    ((5, 7), (3, 5), ((1, 1), (2, 2))),
]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-5), ("float64", 1e-12)])
def test_winograd_is_the_convolution_and_its_gradients(rng, dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        for size, window, pads in WINOGRAD:
            x, kernel = drawn(rng, (3, *size, 5), dtype), drawn(rng, (*window, 5, 4), dtype)
            found, expected = (
                value_and_gradients(lambda x, kernel, of=of: of(x, kernel, pads), x, kernel)  # noqa: B023
                for of in (winograd.convolution, xla)
            )
            assert_same(found, expected, tolerance)


GEOMETRIES = list(itertools.product([(1, 1), (2, 2), (3, 1)], [(1, 1), (2, 1)], [((1, 1), (1, 1)), ((0, 2), (1, 0))]))


@pytest.mark.slow
@pytest.mark.parametrize(("strides", "dilation", "pads"), GEOMETRIES)
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (2, 4)])
def test_products_are_the_gradient_by_the_kernel(rng, strides, dilation, pads, window):
    with jax.enable_x64(True):
        x, kernel = drawn(rng, (3, 9, 8, 5), "float64"), drawn(rng, (*window, 5, 4), "float64")
        found = value_and_gradients(
            lambda x, kernel: products.convolution(x, kernel, strides, pads, dilation), x, kernel
        )
        expected = value_and_gradients(lambda x, kernel: xla(x, kernel, pads, strides, dilation), x, kernel)
        assert_same(found, expected, 1e-12)


@pytest.mark.parametrize(("shape", "window"), [((2, 9, 3), (3,)), ((2, 5, 6, 7, 3), (3, 2, 1))])
def test_products_are_the_gradient_on_one_and_three_axes(rng, shape, window):
    rest = ((1,) * len(window), ((1, 0),) * len(window), (1,) * len(window))
    with jax.enable_x64(True):
        x, kernel = drawn(rng, shape, "float64"), drawn(rng, (*window, 3, 4), "float64")
        found = value_and_gradients(lambda x, kernel: products.convolution(x, kernel, *rest), x, kernel)
        expected = value_and_gradients(lambda x, kernel: xla(x, kernel, rest[1], rest[0], rest[2]), x, kernel)
        assert_same(found, expected, 1e-12)


SMALL = [
    ((2, 2), (3, 3), TWO),
    ((1, 1), (3, 3), ONE),
    ((2, 1), (3, 3), ((1, 0), (2, 1))),
    ((1, 2), (5, 3), TWO),
    ((2,), (3,), ((1, 1),)),
]


@pytest.mark.parametrize(("size", "window", "pads"), SMALL)
def test_dense_is_the_convolution_and_its_gradients(rng, size, window, pads):
    with jax.enable_x64(True):
        x, kernel = drawn(rng, (3, *size, 5), "float64"), drawn(rng, (*window, 5, 4), "float64")
        rest = ((1,) * len(size), pads, (1,) * len(size))
        found = value_and_gradients(lambda x, kernel: dense.convolution(x, kernel, pads), x, kernel)
        expected = value_and_gradients(lambda x, kernel: products.xla(x, kernel, *rest, None), x, kernel)
        assert_same(found, expected, 1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-5), (jnp.bfloat16, 2e-2)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize(
    ("size", "window", "pads", "spread"),
    [
        ((9, 8), (3, 3), ONE, (1, 1)),
        ((7, 7), (5, 3), ((2, 1), (0, 3)), (1, 2)),
        ((2, 3), (7, 7), ((3, 3), (3, 3)), (1, 1)),
        ((5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ],
)
def test_depthwise_is_the_convolution_and_its_gradients(rng, size, window, pads, spread, strides, dtype, tolerance):
    x, kernel = drawn(rng, (2, *size, 6), dtype), drawn(rng, (*window, 1, 6), dtype)

    def expected(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, strides, pads, rhs_dilation=spread, dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=6,
        )  # fmt: skip

    def ours(x, kernel):
        assert depthwise.suits(x, kernel, pads, spread, 6)
        return depthwise.convolution(x, kernel, strides, pads, spread)

    assert_same(value_and_gradients(ours, x, kernel), value_and_gradients(expected, x, kernel), tolerance)


@pytest.mark.parametrize(("features", "groups", "side"), [(12, 6, 8), (6, 3, 8), (6, 6, 1), (6, 1, 8)])
def test_other_groups_and_no_outputs_are_not_depthwise(features, groups, side):
    x, kernel = jnp.zeros((2, side, side, 6)), jnp.zeros((3, 3, 6 // groups, features))
    assert not depthwise.suits(x, kernel, ((0, 0), (0, 0)), (1, 1), groups)


def test_depthwise_layers_take_the_fast_way(monkeypatch):
    called = []
    monkeypatch.setattr(depthwise, "convolution", lambda x, *rest: called.append(x.shape) or x)
    layer = nn.Conv(8, (3, 3), feature_group_count=8)
    x = jnp.zeros((2, 8, 8, 8))
    for conditions in ({}, {"plain": True}, {"looped": True}, {"divided": True}):
        with convolution.tracing(**conditions), convolution.fast():
            jax.eval_shape(lambda: layer.init_with_output(jax.random.key(0), x))
    assert called == [x.shape] * 4


def test_winograd_matches_pytorch(rng):
    torch = pytest.importorskip("torch")
    x, kernel = rng.standard_normal((2, 13, 10, 32), np.float32), rng.standard_normal((3, 3, 32, 48), np.float32)
    sent = rng.standard_normal((2, 13, 10, 48), np.float32)
    theirs_x = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    theirs_kernel = torch.tensor(kernel).permute(3, 2, 0, 1).requires_grad_()
    y = torch.nn.functional.conv2d(theirs_x, theirs_kernel, padding=1)
    y.backward(torch.tensor(sent).permute(0, 3, 1, 2))
    expected = (
        y.detach().permute(0, 2, 3, 1).numpy(),
        theirs_x.grad.permute(0, 2, 3, 1).numpy(),
        theirs_kernel.grad.permute(2, 3, 1, 0).numpy(),
    )
    value, pullback = jax.vjp(
        lambda x, kernel: winograd.convolution(x, kernel, ((1, 1), (1, 1))), jnp.asarray(x), jnp.asarray(kernel)
    )
    assert_same((value, *pullback(jnp.asarray(sent))), expected, 1e-5)


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


def test_what_no_image_touches_does_not_count():
    kernel = jnp.ones((3, 3, 2, 2)).at[0, 0].set(jnp.inf)
    np.testing.assert_array_equal(dense.convolution(jnp.ones((1, 1, 1, 2)), kernel, ONE), 2 * jnp.ones((1, 1, 1, 2)))
