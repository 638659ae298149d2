"""The fast convolutions against XLA's, in value and in both gradients, and against PyTorch."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.cpu.convolution import dense, depthwise, products, toom_cook, winograd
from tests.cpu.compared import assert_same, drawn, value_and_gradients, xla


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


def test_what_no_image_touches_does_not_count():
    kernel = jnp.ones((3, 3, 2, 2)).at[0, 0].set(jnp.inf)
    np.testing.assert_array_equal(dense.convolution(jnp.ones((1, 1, 1, 2)), kernel, ONE), 2 * jnp.ones((1, 1, 1, 2)))
