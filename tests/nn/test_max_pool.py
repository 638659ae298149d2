import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import max_pool, max_pool_with_indices, max_unpool
from tests import pytorch

SIZES = {1: (11,), 2: (9, 12), 3: (5, 7, 6)}
ARGUMENTS = [
    {"window": 2},
    {"window": 3},
    {"window": 3, "stride": 2, "padding": 1},
    {"window": 3, "stride": 2, "ceil_mode": True},
    {"window": 2, "stride": 3, "ceil_mode": True},
    {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"window": 2, "stride": 1, "dilation": 3},
    {"window": 2, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
    {"window": (3, 2, 4), "stride": (1, 3, 2), "padding": (1, 0, 2), "dilation": (2, 1, 1)},
]
CASES = [(axes, arguments) for axes in SIZES for arguments in ARGUMENTS]


def for_axes(arguments, axes):
    return {name: value[:axes] if isinstance(value, tuple) else value for name, value in arguments.items()}


def torch_pool(axes, arguments):
    functional = pytorch.torch().nn.functional
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[axes - 1]
    given = {"kernel_size" if name == "window" else name: value for name, value in arguments.items()}
    return lambda x, **more: pool(x, **given, **more)


@pytest.mark.long
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("axes", "arguments"), CASES)
def test_max_pool_equals_pytorchs_value_gradient_and_indices(rng, axes, arguments, ties):
    arguments = for_axes(arguments, axes)
    shape = (2, *SIZES[axes], 3)
    x = (rng.integers(0, 3, shape) if ties else rng.normal(size=shape)).astype(np.float32)
    pool = torch_pool(axes, arguments)
    pytorch.assert_same_function(lambda x: max_pool(x, **arguments), pytorch.channels_first(pool), x)
    value, indices = jax.jit(lambda x: max_pool_with_indices(x, **arguments))(x)
    expected, places = pool(pytorch.torch().tensor(x).movedim(-1, 1), return_indices=True)
    np.testing.assert_array_equal(value, expected.movedim(1, -1))
    np.testing.assert_array_equal(indices, places.movedim(1, -1))


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (3, 7, 6, 1), (1, 2, 3, 5), (4, 9, 9, 2)])
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_of_2x2_equals_linens_value_and_gradient_bit_for_bit(rng, shape, ties):
    x = jnp.asarray(rng.integers(0, 3, shape) if ties else rng.normal(size=shape), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(shape[0], shape[1] // 2, shape[2] // 2, shape[3])), jnp.float32)
    ours, theirs = (
        jax.jit(jax.value_and_grad(lambda x, pool=pool: (pool(x) * weights).sum()))(x)
        for pool in (lambda x: max_pool(x, 2), lambda x: nn.max_pool(x, (2, 2), strides=(2, 2)))
    )
    np.testing.assert_array_equal(max_pool(x, 2), nn.max_pool(x, (2, 2), strides=(2, 2)))
    np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("odd", [np.nan, -np.inf, np.inf])
def test_max_pool_takes_what_is_not_finite_as_pytorch_does(rng, window, odd):
    x = rng.normal(size=(2, 7, 8, 2)).astype(np.float32)
    x[rng.random(x.shape) < 0.5] = odd
    arguments = {"window": window, "stride": 2, "padding": 1}
    value, places = torch_pool(2, arguments)(pytorch.torch().tensor(x).movedim(-1, 1), return_indices=True)
    ours, indices = max_pool_with_indices(x, **arguments)
    np.testing.assert_array_equal(ours, value.movedim(1, -1))
    np.testing.assert_array_equal(indices, places.movedim(1, -1))
    np.testing.assert_array_equal(max_pool(x, **arguments), ours)


@pytest.mark.long
@pytest.mark.parametrize(("axes", "window", "stride"), [(1, 2, 2), (1, 3, 2), (2, 2, 2), (2, 2, 3), (3, 2, 2)])
def test_max_unpool_equals_pytorchs(rng, axes, window, stride):
    functional = pytorch.torch().nn.functional
    unpool = (functional.max_unpool1d, functional.max_unpool2d, functional.max_unpool3d)[axes - 1]
    size = SIZES[axes]
    x = rng.normal(size=(2, *size, 3)).astype(np.float32)
    pooled, indices = max_pool_with_indices(x, window, stride=stride)
    places = pytorch.torch().tensor(np.asarray(indices, np.int64)).movedim(-1, 1)

    @pytorch.channels_first
    def theirs(pooled):
        return unpool(pooled, places, window, stride, output_size=size)

    if stride < window:  # the same place may be found twice: one value stays, and PyTorch does not say whose gradient
        ours = max_unpool(pooled, indices, size)
        np.testing.assert_array_equal(ours, theirs(pytorch.torch().tensor(np.asarray(pooled))))
    else:
        pytorch.assert_same_function(lambda pooled: max_unpool(pooled, indices, size), theirs, np.asarray(pooled))


def test_pooling_integers_keeps_them(rng):
    x = rng.integers(0, 256, (1, 5, 5, 2), np.uint8)
    pooled = max_pool(jnp.asarray(x), 3, stride=1, padding=1)
    assert pooled.dtype == jnp.uint8
    np.testing.assert_array_equal(pooled, max_pool(x.astype(np.float32), 3, stride=1, padding=1))


@pytest.mark.parametrize("pool", [max_pool, max_pool_with_indices])
@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({"window": 2}, (8, 8), r"x must have 3 axes \[batch, W, channels\], got shape \(8, 8\)"),
        ({"window": 2}, (1, 2, 3, 4, 5, 6), r"x must have 5 axes \[batch, D, H, W, channels\]"),
        ({"window": 9}, (1, 8, 8, 1), r"window \(9, 9\) .* is larger than x of shape \(1, 8, 8, 1\)"),
        ({"window": 0}, (1, 8, 8, 1), "window must be integers of at least 1, got 0"),
        ({"window": (2, 2, 2)}, (1, 8, 8, 1), "window must be an integer or 2 of them"),
        ({"window": 2, "padding": -1}, (1, 8, 8, 1), "padding must be integers of at least 0, got -1"),
        ({"window": 2, "padding": 2}, (1, 8, 8, 1), r"padding must be at most half the window, got .*\(2, 2\)"),
        ({"window": 2, "stride": 0}, (1, 8, 8, 1), "stride must be integers of at least 1, got 0"),
    ],
)
def test_pooling_names_the_argument_that_is_wrong(pool, arguments, shape, message):
    with pytest.raises(UserError, match=message):
        pool(jnp.zeros(shape), **arguments)


def test_unpooling_wants_an_index_for_each_value():
    with pytest.raises(UserError, match=r"indices must have the shape of x, \(1, 2, 2, 1\); got \(1, 2, 2, 3\)"):
        max_unpool(jnp.zeros((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 3), int), 4)
