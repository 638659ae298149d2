import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import Conv, DepthwiseSeparableConv, output_size
from jaxdl.train.state import parameter_count
from tests import pytorch

KEY = jax.random.key(0)
EXAMPLE = [[1, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]]
EXAMPLE_KERNEL = [[1, 2, 1], [0, 1, 0], [2, 1, 0]]

SIZES = {1: [(9,), (16,)], 2: [(7, 10), (12, 5)], 3: [(5, 6, 7)]}
CASES = [
    (axes, size, kernel, stride, padding, dilation, groups)
    for axes, sizes in SIZES.items()
    for size in sizes
    for kernel, stride, padding, dilation, groups in [
        (3, 1, 0, 1, 1),
        (3, 1, 1, 1, 1),
        (3, 2, 1, 1, 2),
        (2, 3, 0, 2, 4),
        (1, 2, 0, 1, 1),
        (4, 1, 3, 1, 2),
        ((3, 1, 2)[:axes], (1, 2, 1)[:axes], (2, 0, 1)[:axes], (2, 1, 1)[:axes], 1),
    ]
]


def kernel_for_pytorch(kernel):
    """[..., I, O] -> [O, I, ...]"""
    return kernel.movedim((-1, -2), (0, 1))


@pytest.mark.long
@pytest.mark.parametrize(("axes", "size", "kernel", "stride", "padding", "dilation", "groups"), CASES)
def test_conv_equals_pytorchs(rng, axes, size, kernel, stride, padding, dilation, groups):
    functional = pytorch.torch().nn.functional
    conv = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    window = (kernel,) * axes if isinstance(kernel, int) else kernel
    layer = Conv(8, window, stride=stride, padding=padding, dilation=dilation, groups=groups)

    def ours(x, kernel, bias):
        return layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)

    @pytorch.channels_first
    def theirs(x, kernel, bias):
        return conv(x, kernel_for_pytorch(kernel), bias, stride, padding, dilation, groups)

    shapes = (2, *size, 4), (*window, 4 // groups, 8), (8,)
    pytorch.assert_same_function(ours, theirs, *(rng.normal(size=shape).astype(np.float32) for shape in shapes))


@pytest.mark.parametrize(
    ("stride", "padding", "expected"),
    [
        (1, 0, [[10, 12, 12], [18, 16, 16], [13, 9, 3]]),
        (2, 0, [[10, 12], [13, 3]]),
        (1, 1, [[1, 3, 4, 10, 8], [5, 10, 12, 12, 6], [7, 18, 16, 16, 8], [11, 13, 9, 3, 4], [14, 13, 9, 7, 4]]),
    ],
)
def test_the_courses_example_gives_its_numbers(stride, padding, expected):
    x = jnp.asarray(EXAMPLE, jnp.float32).reshape(1, 5, 5, 1)
    kernel = jnp.asarray(EXAMPLE_KERNEL, jnp.float32).reshape(3, 3, 1, 1)
    layer = Conv(1, (3, 3), stride=stride, padding=padding, use_bias=False)
    np.testing.assert_array_equal(layer.apply({"params": {"kernel": kernel}}, x)[0, :, :, 0], expected)


@pytest.mark.parametrize(("stride", "padding", "dilation"), list(itertools.product((1, 2, 3), (0, 1, 2), (1, 2))))
def test_output_size_is_that_of_the_layer(stride, padding, dilation):
    for size in range(5, 12):
        layer = Conv(1, (3,), stride=stride, padding=padding, dilation=dilation)
        shape = jax.eval_shape(layer.init_with_output, KEY, jnp.zeros((1, size, 1)))[0].shape
        assert shape[1] == output_size(size, 3, stride=stride, padding=padding, dilation=dilation)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("use_bias", [True, False])
def test_conv_has_as_many_parameters_as_pytorchs(groups, use_bias):
    theirs = pytorch.torch().nn.Conv2d(6, 12, (3, 5), groups=groups, bias=use_bias)
    layer = Conv(12, (3, 5), groups=groups, use_bias=use_bias)
    params = layer.init(KEY, jnp.zeros((1, 8, 8, 6)))["params"]
    assert parameter_count(params) == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize(("size", "stride", "padding"), [((8, 8), 1, 1), ((9, 6), 2, 1), ((7, 7), 2, 0)])
def test_depthwise_separable_conv_equals_pytorchs_two_convolutions(rng, size, stride, padding):
    torch = pytorch.torch()
    shapes = (2, *size, 4), (3, 3, 1, 4), (4,), (1, 1, 4, 10), (10,)

    def ours(x, depthwise, depthwise_bias, pointwise, pointwise_bias):
        params = {
            "depthwise": {"kernel": depthwise, "bias": depthwise_bias},
            "pointwise": {"kernel": pointwise, "bias": pointwise_bias},
        }
        return DepthwiseSeparableConv(10, (3, 3), stride=stride, padding=padding).apply({"params": params}, x)

    @pytorch.channels_first
    def theirs(x, depthwise, depthwise_bias, pointwise, pointwise_bias):
        conv2d = torch.nn.functional.conv2d
        x = conv2d(x, kernel_for_pytorch(depthwise), depthwise_bias, stride, padding, groups=4)
        return conv2d(x, kernel_for_pytorch(pointwise), pointwise_bias)

    pytorch.assert_same_function(ours, theirs, *(rng.normal(size=shape).astype(np.float32) for shape in shapes))


def operations(layer, x):
    """Floating-point operations counted by XLA, two for a multiplication and its addition."""
    variables = layer.init(KEY, x)
    return jax.jit(layer.apply).lower(variables, x).compile().cost_analysis()["flops"]


def test_depthwise_separable_conv_costs_what_pytorch_counts():
    torch = pytorch.torch()
    from torch.utils.flop_counter import FlopCounterMode

    x = jnp.zeros((1, 16, 16, 32))
    full = Conv(64, (3, 3), use_bias=False)
    separable = DepthwiseSeparableConv(64, (3, 3), use_bias=False)
    counted = []
    for network in (
        torch.nn.Conv2d(32, 64, 3, bias=False),
        torch.nn.Sequential(torch.nn.Conv2d(32, 32, 3, groups=32, bias=False), torch.nn.Conv2d(32, 64, 1, bias=False)),
    ):
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 32, 16, 16))
        counted.append((counter.get_total_flops(), sum(p.numel() for p in network.parameters())))
    ours = [(operations(layer, x), parameter_count(layer.init(KEY, x)["params"])) for layer in (full, separable)]
    assert ours == counted


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({}, (8, 8, 3), r"x must have 4 axes \[batch, H, W, channels\], got shape \(8, 8, 3\)"),
        ({}, (1, 2, 8, 3), r"window \(3, 3\)"),
        ({"padding": -1}, (1, 8, 8, 3), "padding must be integers of at least 0, got -1"),
        ({"padding": (1, 1, 1)}, (1, 8, 8, 3), "padding must be an integer or 2 of them"),
        ({"stride": 0}, (1, 8, 8, 3), "stride must be integers of at least 1, got 0"),
        ({"dilation": (1, 0)}, (1, 8, 8, 3), r"dilation must be .* at least 1, got \(1, 0\)"),
        ({"groups": 2}, (1, 8, 8, 3), "groups must divide .* got groups 2 for 3 channels and 4 features"),
        ({"groups": 3}, (1, 8, 8, 3), "groups 3 for 3 channels and 4 features"),
    ],
)
def test_conv_names_the_argument_that_is_wrong(arguments, shape, message):
    with pytest.raises(UserError, match=message):
        Conv(4, (3, 3), **arguments).init(KEY, jnp.zeros(shape))


def test_conv_names_the_channels_its_kernel_is_for():
    layer = Conv(4, (3, 3))
    variables = layer.init(KEY, jnp.zeros((1, 8, 8, 3)))
    with pytest.raises(UserError, match=r"x must have 3 channels, .* got shape \(1, 8, 8, 1\)"):
        layer.apply(variables, jnp.zeros((1, 8, 8, 1)))
