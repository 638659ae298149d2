from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.nn.norm import FrozenBatchNorm
from tests import pytorch

CHANNELS = 7
NAMES = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def drawn_statistics(rng):
    statistics = {name: rng.normal(size=CHANNELS).astype(np.float32) for name in NAMES}
    statistics["var"] = np.asarray([0, 1e-8, 1e-3, 0.5, 1, 20, 1e6], np.float32)
    return statistics


@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 1e-3])
def test_frozen_batch_norm_equals_torchvisions_value_and_gradient(rng, epsilon):
    statistics = drawn_statistics(rng)
    if epsilon == 0:
        statistics["var"][0] = 1.0
    theirs = pytorch.torchvision().ops.FrozenBatchNorm2d(CHANNELS, eps=epsilon)
    theirs.load_state_dict({NAMES[name]: pytorch.torch().tensor(value) for name, value in statistics.items()})
    x = rng.normal(size=(2, 5, 4, CHANNELS)).astype(np.float32)
    for channel in range(CHANNELS):  # each by itself: their sizes differ

        def ours(x, channel=channel):
            return FrozenBatchNorm(epsilon=epsilon).apply({"batch_stats": statistics}, x)[..., channel]

        def expected(x, channel=channel):
            return theirs(x.movedim(-1, 1))[:, channel]

        pytorch.assert_same_function(ours, expected, x)


def test_frozen_batch_norm_has_no_parameters_and_is_nothing_at_first(rng):
    layer, x = FrozenBatchNorm(epsilon=0.0), rng.normal(size=(2, 5, 4, CHANNELS)).astype(np.float32)
    variables = layer.init(jax.random.key(0), x)
    assert set(variables) == {"batch_stats"}
    theirs = pytorch.torchvision().ops.FrozenBatchNorm2d(CHANNELS)
    assert not [*theirs.parameters()]
    for name, buffer in theirs.named_buffers():
        (ours,) = [ours for ours, there in NAMES.items() if there == name]
        np.testing.assert_array_equal(variables["batch_stats"][ours], buffer)
    np.testing.assert_array_equal(layer.apply(variables, x), x)


def test_frozen_batch_norm_stays_as_it_is_in_training(rng):
    statistics, x = drawn_statistics(rng), rng.normal(size=(2, 3, 3, CHANNELS)).astype(np.float32)
    layer = FrozenBatchNorm()
    value = jax.jit(layer.apply)({"batch_stats": statistics}, x)
    trained, after = jax.jit(partial(layer.apply, mutable=True))({"batch_stats": statistics}, x)
    np.testing.assert_array_equal(trained, value)
    jax.tree.map(np.testing.assert_array_equal, after, {"batch_stats": statistics})
    part = jax.jit(layer.apply)({"batch_stats": statistics}, x[:1] * 1)  # of a batch, which changes nothing
    np.testing.assert_array_equal(part, value[:1])
    theirs = pytorch.torchvision().ops.FrozenBatchNorm2d(CHANNELS).train()
    theirs.load_state_dict({NAMES[name]: pytorch.torch().tensor(each) for name, each in statistics.items()})
    pytorch.assert_close(value, theirs(pytorch.torch().tensor(x).movedim(-1, 1)).movedim(1, -1))


def test_frozen_batch_norm_of_batches_equals_that_of_each(rng):
    statistics, x = drawn_statistics(rng), rng.normal(size=(3, 4, CHANNELS)).astype(np.float32)
    apply = jax.jit(lambda x: FrozenBatchNorm().apply({"batch_stats": statistics}, x))
    np.testing.assert_allclose(jax.vmap(apply)(x), jnp.stack([apply(each) for each in x]), rtol=1e-6)


def test_frozen_batch_norm_computes_in_its_dtype(rng):
    x = rng.normal(size=(2, 3, 3, CHANNELS)).astype(np.float32)
    layer = FrozenBatchNorm(dtype=jnp.bfloat16)
    variables = {"batch_stats": drawn_statistics(rng)}
    assert layer.apply(variables, x).dtype == jnp.bfloat16
    assert all(each.dtype == jnp.float32 for each in layer.init(jax.random.key(0), x)["batch_stats"].values())
