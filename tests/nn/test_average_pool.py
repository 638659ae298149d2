import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import average_pool, global_average_pool
from tests import pytorch

SIZES = {1: (11,), 2: (9, 12), 3: (5, 7, 6)}
ARGUMENTS = [
    {"window": 2},
    {"window": 3, "stride": 2},
    {"window": 3, "stride": 2, "padding": 1},
    {"window": 3, "stride": 2, "padding": 1, "count_padding": False},
    {"window": 2, "stride": 3, "ceil_mode": True},
    {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_padding": False},
    {"window": 4, "stride": 3, "padding": 2, "ceil_mode": True},
    {"window": (3, 2, 4), "stride": (1, 3, 2), "padding": (1, 0, 2)},
    {"window": 3, "stride": 1, "divisor": 5},
]
TORCH_NAMES = {"window": "kernel_size", "count_padding": "count_include_pad", "divisor": "divisor_override"}
CASES = [(axes, arguments) for axes in SIZES for arguments in ARGUMENTS if axes > 1 or "divisor" not in arguments]


@pytest.mark.long
@pytest.mark.parametrize(("axes", "arguments"), CASES)
def test_average_pool_equals_pytorchs(rng, axes, arguments):
    functional = pytorch.torch().nn.functional
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[axes - 1]
    arguments = {name: value[:axes] if isinstance(value, tuple) else value for name, value in arguments.items()}
    given = {TORCH_NAMES.get(name, name): value for name, value in arguments.items()}
    x = rng.normal(size=(2, *SIZES[axes], 3)).astype(np.float32)
    theirs = pytorch.channels_first(lambda x: pool(x, **given))
    pytorch.assert_same_function(lambda x: average_pool(x, **arguments), theirs, x)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_global_average_pool_equals_pytorchs(rng, axes):
    torch = pytorch.torch()
    layer = (torch.nn.AdaptiveAvgPool1d, torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool3d)[axes - 1](1)
    x = rng.normal(size=(2, *SIZES[axes], 3)).astype(np.float32)
    pytorch.assert_same_function(global_average_pool, lambda x: layer(x.movedim(-1, 1)).flatten(1), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 9}, r"window \(9, 9\) .* is larger than x"),
        ({"window": 3, "padding": 2}, "padding must be at most half the window"),
        ({"window": 3, "padding": -1}, "padding must be integers of at least 0, got -1"),
        ({"window": 3, "divisor": 0}, "divisor must not be 0"),
        ({"window": 2.5}, "window"),
    ],
)
def test_average_pool_names_the_argument_that_is_wrong(arguments, message):
    with pytest.raises(UserError, match=message):
        average_pool(jnp.zeros((1, 8, 8, 1)), **arguments)
