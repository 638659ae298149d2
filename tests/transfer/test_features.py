import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models, transfer
from jaxdl.errors import UserError
from jaxdl.nn import Dense
from tests import pytorch

IMAGES = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
NEW = {"key": jax.random.key(1), "images": IMAGES}


@pytest.fixture(scope="module")
def network():
    model = models.create("cifar_cnn")
    return model, jax.jit(lambda: model.init(jax.random.key(0), IMAGES, train=False))()


def test_features_are_what_the_classifier_makes_logits_of(network):
    model, variables = network
    features = transfer.classifier_input(model, IMAGES).apply(variables, IMAGES, train=False)
    last = variables["params"]["Dense_1"]
    assert features.shape == (2, 64)
    pytorch.assert_close(features @ last["kernel"] + last["bias"][None], model.apply(variables, IMAGES, train=False))


def test_features_of_a_changed_network_are_before_its_classifier(network):
    changed, after = transfer.insert(*network, [nn.tanh], before="Dense_1", name="squashed", **NEW)
    features = transfer.classifier_input(changed, IMAGES).apply(after, IMAGES, train=False)
    plain = transfer.classifier_input(network[0], IMAGES).apply(network[1], IMAGES, train=False)
    np.testing.assert_allclose(features, np.tanh(plain), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "width"), [("squeezenet1_0", 512), ("googlenet", 1024), ("vit_b_32", 768), ("vgg11", 4096)]
)
def test_features_are_of_the_last_classifier_and_the_mean_of_places(name, width):
    model, images = models.create(name), jnp.zeros((2, 64, 64, 3))
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    network = transfer.classifier_input(model, images)
    assert jax.eval_shape(lambda variables: network.apply(variables, images, train=False), shapes).shape == (2, width)


def test_a_classifier_of_a_fixed_size_has_no_known_beginning(network):
    changed, _ = transfer.replace(*network, "Dense_1", [Dense(8), nn.relu, Dense(3)], **NEW)
    with pytest.raises(UserError, match="where it begins is unknown"):
        transfer.classifier_input(changed, IMAGES)
