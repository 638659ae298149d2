"""Where linen has the layer, the arguments that make it PyTorch's; and where the two rightly differ."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.nn import BatchNorm, Dense
from tests import pytorch

KEY = jax.random.key(0)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 7), (1, 7), (2, 3, 7), (2, 3, 4, 7)])
def test_dense_equals_pytorchs_linear(rng, shape, use_bias):
    functional = pytorch.torch().nn.functional
    arrays = [rng.normal(size=shape), rng.normal(size=(7, 6)), rng.normal(size=6)][: 2 + use_bias]

    def ours(x, *params):
        params = dict(zip(("kernel", "bias"), params, strict=False))
        return Dense(6, use_bias=use_bias).apply({"params": params}, x)

    def theirs(x, kernel, bias=None):
        return functional.linear(x, kernel.T, bias)

    pytorch.assert_same_function(ours, theirs, *(array.astype(np.float32) for array in arrays))


def test_dense_names_the_inputs_its_kernel_is_for():
    variables = Dense(6).init(KEY, jnp.zeros((1, 7)))
    with pytest.raises(UserError, match=r"x must have 7 on its last axis, .* got \(2, 5\)"):
        Dense(6).apply(variables, jnp.zeros((2, 5)))


@pytest.mark.long
@pytest.mark.parametrize("size", [(), (7,), (4, 5), (2, 3, 4)])
@pytest.mark.parametrize("kind", [BatchNorm, nn.BatchNorm], ids=["ours", "linens"])
def test_batch_norm_equals_pytorchs(rng, kind, size):
    """Trained on two batches, then evaluated; momentum is 1 - PyTorch's, linen's running variance biased."""
    torch = pytorch.torch()
    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
    reference = kinds[len(size)](3, momentum=0.2)
    scale, bias = rng.normal(size=(2, 3)).astype(np.float32)
    with torch.no_grad():
        reference.weight.copy_(torch.tensor(scale))
        reference.bias.copy_(torch.tensor(bias))
    batches = rng.normal(2.0, 3.0, size=(2, 6, *size, 3)).astype(np.float32)

    def layer(use_average):
        return kind(use_running_average=use_average, momentum=0.8, epsilon=1e-5)

    stats = {"mean": jnp.zeros(3), "var": jnp.ones(3)}
    for batch in batches:
        before = jax.tree.map(np.asarray, stats)

        def train(x, scale, bias, stats=stats):
            variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": stats}
            return layer(False).apply(variables, x, mutable=["batch_stats"])

        theirs = pytorch.channels_first(
            lambda x, w, b: torch.nn.functional.batch_norm(x, None, None, w, b, training=True, eps=1e-5)
        )
        pytorch.assert_same_function(lambda *given: train(*given)[0], theirs, batch, scale, bias)
        stats = train(batch, scale, bias)[1]["batch_stats"]
        running = reference.running_var.numpy().copy()
        reference(torch.tensor(batch).movedim(-1, 1))
        pytorch.assert_close(stats["mean"], reference.running_mean)
        values = batch.size // 3
        # linen's moves by 0.2 v, theirs by 0.2 v n / (n - 1)
        factor = values / (values - 1) if kind is nn.BatchNorm else 1.0
        moved = (np.asarray(stats["var"]) - 0.8 * before["var"]) * factor
        pytorch.assert_close(0.8 * running + moved, reference.running_var)
    reference.running_var.copy_(torch.tensor(np.asarray(stats["var"])))
    reference.eval()
    variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": stats}
    expected = reference(torch.tensor(batches[0]).movedim(-1, 1)).detach().movedim(1, -1)
    pytorch.assert_close(layer(True).apply(variables, batches[0]), expected)


def test_batch_norm_counts_the_values_it_takes_of_all_devices(rng):
    """Linen's own ways to share and to mask, beside those of ``jaxdl.train``."""
    x = rng.normal(size=(6, 4, 3)).astype(np.float32)
    mask = np.array([True, True, True, False, True, False])
    layer = BatchNorm(use_running_average=False, momentum=0.0)
    variables = layer.init(KEY, x)

    def variance(**given):
        return layer.apply(variables, x, mutable=["batch_stats"], **given)[1]["batch_stats"]["var"]

    pytorch.assert_close(variance(), x.var((0, 1), ddof=1))
    pytorch.assert_close(variance(mask=mask[:, None, None]), x[mask].var((0, 1), ddof=1))
    shared = layer.clone(axis_name="batch")
    halves = jax.vmap(lambda half: shared.apply(variables, half, mutable=["batch_stats"])[1], axis_name="batch")
    for var in halves(x.reshape(2, 3, 4, 3))["batch_stats"]["var"]:
        pytorch.assert_close(var, x.var((0, 1), ddof=1))


def test_batch_norm_of_a_single_value_stays_finite():
    layer, x = BatchNorm(use_running_average=False), jnp.full((1, 3), 5.0)
    variables = layer.init(KEY, x)
    y, changed = layer.apply(variables, x, mutable=["batch_stats"])
    np.testing.assert_array_equal(y, 0.0)
    np.testing.assert_allclose(changed["batch_stats"]["var"], 0.9, rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (2, 4, 5, 7)])
def test_layer_norm_equals_pytorchs_at_pytorchs_epsilon(rng, shape):
    functional = pytorch.torch().nn.functional
    arrays = rng.normal(size=shape), rng.normal(size=7), rng.normal(size=7)

    def ours(x, scale, bias):
        return nn.LayerNorm(epsilon=1e-5).apply({"params": {"scale": scale, "bias": bias}}, x)

    def theirs(x, scale, bias):
        return functional.layer_norm(x, (7,), scale, bias)

    pytorch.assert_same_function(ours, theirs, *(array.astype(np.float32) for array in arrays))


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)])
def test_embed_equals_pytorchs_embedding(rng, shape):
    functional = pytorch.torch().nn.functional
    ids = rng.integers(0, 11, shape)
    table = rng.normal(size=(11, 6)).astype(np.float32)

    def ours(table):
        return nn.Embed(11, 6).apply({"params": {"embedding": table}}, ids)

    pytorch.assert_same_function(ours, lambda table: functional.embedding(pytorch.torch().tensor(ids), table), table)


@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize(("shape", "whole"), [((400, 500), False), ((40, 8, 9, 60), True), ((40, 3, 4, 5, 60), True)])
def test_dropout_drops_values_or_whole_channels_as_pytorch_does(shape, whole, rate):
    torch = pytorch.torch()
    torch.manual_seed(0)
    spatial = tuple(range(1, len(shape) - 1)) if whole else ()
    layer = nn.Dropout(rate, broadcast_dims=spatial, deterministic=False)
    ours = np.asarray(layer.apply({}, jnp.ones(shape), rngs={"dropout": KEY}))
    reference = {2: torch.nn.Dropout, 4: torch.nn.Dropout2d, 5: torch.nn.Dropout3d}[len(shape)](rate)
    theirs = pytorch.channels_first(reference)(torch.ones(shape)).numpy()
    drawn = ours.shape[0] * ours.shape[-1]
    for dropped in (ours, theirs):
        np.testing.assert_allclose(np.unique(dropped), [0.0, 1 / (1 - rate)], rtol=1e-6)
        if whole:
            assert (dropped == dropped[(slice(None), *[slice(1)] * len(spatial))]).all()
        first = dropped[(slice(None), *[0] * len(spatial))]
        assert (first == 0).mean() == pytest.approx(rate, abs=4 * (rate * (1 - rate) / drawn) ** 0.5)
    np.testing.assert_array_equal(nn.Dropout(rate, deterministic=True).apply({}, jnp.ones(shape)), 1.0)
