import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import losses, models
from jaxdl.models.speed_cnn import partial_identity
from jaxdl.nn.whitening import whitening_kernel
from jaxdl.train.state import parameter_count
from tests.models.published_speed_cnn import parameters, published, statistics
from tests.pytorch import assert_close, torch

NAMES = {"speed_cnn": False, "speed_cnn_muon": True}


@pytest.fixture
def network_with_statistics(rng):
    """Makes the published network, whitening and running statistics those of the images; and the images."""

    def make(name, count=6):
        library = torch()
        library.manual_seed(0)
        images = rng.normal(size=(count, 32, 32, 3)).astype(np.float32)
        images += images.mean((1, 2), keepdims=True) + np.roll(images, 1, 1)
        network = published(for_muon=NAMES[name]).double()
        kernel = np.array(whitening_kernel(jnp.asarray(images), 2, 5e-4))
        network.whitening.weight.data = library.tensor(kernel.transpose(3, 2, 0, 1)).double()
        with library.no_grad():
            for each, parameter in network.named_parameters():
                if each.endswith("bias"):
                    parameter.normal_(0.0, 0.1)
            network(library.tensor(images).double().movedim(-1, 1))
        return network, images

    return make


@pytest.mark.long
@pytest.mark.parametrize("train", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_the_published_network(network_with_statistics, name, train):
    network, images = network_with_statistics(name)
    library, labels = torch(), np.arange(6)
    with jax.enable_x64(True):  # of float32 rounding alone is more than 1e-5 after seven layers
        arrays = network.state_dict()
        variables = {"params": parameters(arrays), "batch_stats": statistics(arrays)}
        model = models.create(name, dtype=jnp.float64)

        def loss(params):
            logits = model.apply(
                {**variables, "params": params}, jnp.asarray(images, jnp.float64), train=train, mutable=["batch_stats"]
            )[0]
            return losses.cross_entropy(logits, jnp.asarray(labels)).sum(), logits

        gradients, logits = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
        gradients, logits = jax.device_get((gradients, logits))
    theirs = network.train(train)(library.tensor(images).double().movedim(-1, 1))
    library.nn.functional.cross_entropy(theirs, library.tensor(labels), reduction="sum").backward()
    assert_close(logits, theirs.detach(), 1e-5)
    slopes = {each: tensor.grad for each, tensor in network.named_parameters() if tensor.requires_grad}
    jax.tree.map(lambda ours, other: assert_close(ours, other, 1e-5), gradients, parameters(slopes))


@pytest.mark.long
def test_running_statistics_keep_six_tenths(network_with_statistics):
    network, images = network_with_statistics("speed_cnn")
    arrays = {name: tensor.float() for name, tensor in network.state_dict().items()}
    variables = {"params": parameters(arrays), "batch_stats": statistics(arrays)}
    _, changed = models.create("speed_cnn").apply(variables, images, train=True, mutable=["batch_stats"])
    network.train()(torch().tensor(images).double().movedim(-1, 1))
    theirs = statistics({name: tensor.float() for name, tensor in network.state_dict().items()})
    for norm, values in changed["batch_stats"].items():
        if norm != "Whiten_0":
            assert_close(values["mean"], theirs[norm]["mean"], 1e-4)
            assert_close(values["var"], theirs[norm]["var"], 1e-4)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_starts_where_the_published_network_starts(name):
    torch().manual_seed(1)
    theirs = parameters(published(for_muon=NAMES[name]).state_dict())
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = models.create(name).init(jax.random.key(1), images, train=False)
    ours = variables["params"]
    assert parameter_count(ours) == 1_971_352
    np.testing.assert_array_equal(variables["batch_stats"]["Whiten_0"]["kernel"], whitening_kernel(images, 2, 5e-4))

    def compare(path, a, b):
        assert a.shape == b.shape, path
        if a.ndim == 4:  # what copies is the same to the bit
            inputs = a.shape[2]
            np.testing.assert_array_equal(a[..., :inputs], b[..., :inputs])
            a, b = a[..., inputs:], b[..., inputs:]
        if a.size > 1000:
            np.testing.assert_allclose(np.std(a), np.std(b), rtol=0.05, err_msg=str(path))
            np.testing.assert_allclose(np.abs(a).max(), np.abs(b).max(), rtol=0.05, err_msg=str(path))
        else:
            assert np.any(a) == np.any(b), path
            assert np.abs(a).max(initial=0) <= 2 * np.abs(b).max(initial=0), path

    jax.tree_util.tree_map_with_path(compare, ours, theirs)


def test_partial_identity_copies_as_many_as_there_are(rng):
    x = rng.normal(size=(2, 5, 5, 6)).astype(np.float32)
    for features in (4, 6, 9):
        kernel = partial_identity(jax.random.key(0), (3, 3, 6, features))
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        copied = min(features, 6)
        np.testing.assert_allclose(y[..., :copied], x[..., :copied], rtol=1e-6)
        assert not np.any(np.isclose(y[..., copied:], 0).all((0, 1, 2)))
