import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import channel_shuffle, flatten
from tests import pytorch


@pytest.mark.parametrize(("start", "end"), [(1, -1), (0, -1), (0, 0), (1, 2), (2, 3), (-2, -1), (2, 2)])
def test_flatten_equals_pytorchs(rng, start, end):
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    theirs = pytorch.torch().nn.Flatten(start, end)
    pytorch.assert_same_function(lambda x: flatten(x, start_dim=start, end_dim=end), theirs, x)


@pytest.mark.parametrize("groups", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("shape", [(2, 5, 4, 12), (1, 1, 1, 12)])
def test_channel_shuffle_equals_pytorchs(rng, shape, groups):
    x = rng.normal(size=shape).astype(np.float32)
    theirs = pytorch.channels_first(pytorch.torch().nn.ChannelShuffle(groups))
    pytorch.assert_same_function(lambda x: channel_shuffle(x, groups), theirs, x)


def test_what_is_wrong_is_named():
    with pytest.raises(UserError, match="start_dim must be an axis of x, which has 2; got 2"):
        flatten(jnp.zeros((2, 3)), start_dim=2)
    with pytest.raises(UserError, match="end_dim must be an axis of x, which has 2; got -3"):
        flatten(jnp.zeros((2, 3)), end_dim=-3)
    with pytest.raises(UserError, match="start_dim must not come after end_dim, got 2 and 1"):
        flatten(jnp.zeros((2, 3, 4)), start_dim=2, end_dim=1)
    with pytest.raises(UserError, match="groups must divide the channels, got groups 5 for 12 channels"):
        channel_shuffle(jnp.zeros((1, 12)), 5)
