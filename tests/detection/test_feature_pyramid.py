from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.models.feature_pyramid import COARSER, FeaturePyramid
from tests import pytorch

CHANNELS, FEATURES = (3, 4, 6), 5
SIZES = {"even": [(16, 24), (8, 12), (4, 6)], "odd": [(19, 25), (10, 13), (5, 7)], "one": [(3, 2), (2, 1), (1, 1)]}


def networks(coarser, *, norm=False):
    """Ours and torchvision's."""
    torch, ops = pytorch.torch(), pytorch.detection_ops().ops
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

    extra = {
        "pool": LastLevelMaxPool,
        "p6p7": partial(LastLevelP6P7, FEATURES, FEATURES),
        "p6p7_of_c5": partial(LastLevelP6P7, CHANNELS[-1], FEATURES),
    }[coarser]()
    torch.manual_seed(0)
    theirs = ops.FeaturePyramidNetwork(CHANNELS, FEATURES, extra, torch.nn.BatchNorm2d if norm else None)
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return FeaturePyramid(features=FEATURES, coarser=coarser, norm=norm), theirs


def flax_params(names, values):
    """PyTorch's parameters as ours."""
    params = {}
    for name, value in zip(names, values, strict=True):
        module, leaf = name.rsplit(".", 1)
        renamed = {"bias": "bias", "weight": "kernel" if value.ndim == 4 else "scale"}[leaf]
        params.setdefault(module, {})[renamed] = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
    return params


def drawn_maps(rng, sizes, batch=2):
    return [rng.normal(size=(batch, *size, of)).astype(np.float32) for size, of in zip(sizes, CHANNELS, strict=True)]


@pytest.mark.parametrize("sizes", ["odd", *(pytest.param(each, marks=pytest.mark.long) for each in ("even", "one"))])
@pytest.mark.parametrize("coarser", COARSER)
def test_feature_pyramid_equals_torchvisions_values_and_gradients(rng, coarser, sizes):
    network, theirs = networks(coarser)
    names, parameters = zip(*theirs.named_parameters(), strict=True)
    maps = drawn_maps(rng, SIZES[sizes])
    shapes = []

    def ours(*arrays):
        params = flax_params(names, arrays[3:])
        found = network.apply({"params": params}, arrays[:3], train=True)
        shapes.append([each.shape for each in found])
        return jnp.concatenate([each.reshape(-1) for each in found])

    def expected(*tensors):
        named = {str(index): each.movedim(-1, 1) for index, each in enumerate(tensors[:3])}
        call = pytorch.torch().func.functional_call
        found = [
            each.movedim(1, -1) for each in call(theirs, dict(zip(names, tensors[3:], strict=True)), named).values()
        ]
        shapes.append([tuple(each.shape) for each in found])
        return pytorch.torch().cat([each.reshape(-1) for each in found])

    arrays = [each.detach().numpy() for each in parameters]
    pytorch.assert_same_function(ours, expected, *maps, *arrays, rtol=2e-5)
    assert all(each == shapes[0] for each in shapes)
    assert len(shapes[0]) == (4 if coarser == "pool" else 5)


@pytest.mark.parametrize("coarser", COARSER)
def test_feature_pyramid_has_torchvisions_parameters(rng, coarser):
    network, theirs = networks(coarser)
    params = network.init(jax.random.key(0), drawn_maps(rng, SIZES["even"]), train=False)["params"]
    names, values = zip(*theirs.named_parameters(), strict=True)
    expected = flax_params(names, [each.detach().numpy() for each in values])
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(np.shape, expected)
    for name, layer in params.items():
        assert not layer["bias"].any()
        kernel = layer["kernel"]
        bound = np.sqrt(3 / np.prod(kernel.shape[:3]))  # kaiming_uniform_ with a=1
        assert 0.8 * bound < np.abs(kernel).max() <= bound, name


@pytest.mark.parametrize("train", [False, True])
def test_feature_pyramid_with_batch_norm_equals_torchvisions(rng, train):
    network, theirs = networks("pool", norm=True)
    theirs.train(train)
    names, parameters = zip(*theirs.named_parameters(), strict=True)
    params = flax_params(names, [each.detach().numpy() for each in parameters])
    maps = drawn_maps(rng, SIZES["odd"], batch=3)
    named = {str(index): pytorch.torch().tensor(each).movedim(-1, 1) for index, each in enumerate(maps)}
    stats = network.init(jax.random.key(0), maps, train=False)["batch_stats"]
    apply = jax.jit(partial(network.apply, train=train, mutable=["batch_stats"]))
    found, updated = apply({"params": params, "batch_stats": stats}, maps)
    for ours, expected in zip(found, theirs(named).values(), strict=True):
        pytorch.assert_close(ours, expected.detach().movedim(1, -1), rtol=1e-4)
    for name, buffer in theirs.named_buffers():
        module, leaf = name.rsplit(".", 1)
        if leaf != "num_batches_tracked":
            pytorch.assert_close(updated["batch_stats"][module][leaf.removeprefix("running_")], buffer, rtol=1e-4)


def test_feature_pyramid_of_batches_equals_that_of_each(rng):
    network, _ = networks("p6p7")
    maps = drawn_maps(rng, SIZES["odd"], batch=3)
    variables = network.init(jax.random.key(0), maps, train=False)
    apply = jax.jit(partial(network.apply, variables, train=False))
    mapped = jax.vmap(apply)([each[:, None] for each in maps])
    for ours, together in zip(apply(maps), mapped, strict=True):
        np.testing.assert_allclose(together[:, 0], ours, rtol=1e-5, atol=1e-5)


def test_feature_pyramid_names_an_unknown_kind(rng):
    with pytest.raises(UserError, match="kind of coarser maps"):
        FeaturePyramid(coarser="p6").init(jax.random.key(0), drawn_maps(rng, SIZES["one"]), train=False)
