import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import adaptive_average_pool, adaptive_max_pool
from tests import pytorch

CASES = [
    ((12,), 4),
    ((11,), 4),
    ((5,), 8),
    ((8, 8), 1),
    ((8, 12), (4, 3)),
    ((7, 10), (3, 4)),
    ((7, 10), 7),
    ((3, 5), (6, 7)),
    ((13, 1), (5, 2)),
    ((5, 6, 7), (2, 6, 3)),
]


@pytest.mark.long
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize(("size", "output_size"), CASES)
def test_adaptive_pooling_equals_pytorchs(rng, size, output_size, kind, ties):
    theirs = getattr(pytorch.torch().nn.functional, f"adaptive_{kind}_pool{len(size)}d")
    ours = {"avg": adaptive_average_pool, "max": adaptive_max_pool}[kind]
    shape = (2, *size, 3)
    x = (rng.integers(0, 3, shape) if ties else rng.normal(size=shape)).astype(np.float32)
    pytorch.assert_same_function(
        lambda x: ours(x, output_size), pytorch.channels_first(lambda x: theirs(x, output_size)), x
    )


@pytest.mark.parametrize("pool", [adaptive_average_pool, adaptive_max_pool])
@pytest.mark.parametrize(
    ("shape", "output_size", "message"),
    [
        ((1, 8, 8, 1), 0, "output_size must be integers of at least 1, got 0"),
        ((1, 8, 8, 1), (2, 2, 2), "output_size must be an integer or 2 of them"),
        ((8, 8), 2, r"x must have 3 axes \[batch, W, channels\], got shape \(8, 8\)"),
    ],
)
def test_adaptive_pooling_names_the_argument_that_is_wrong(pool, shape, output_size, message):
    with pytest.raises(UserError, match=message):
        pool(jnp.zeros(shape), output_size)
