"""The networks that are compared are the same in this project, in plain Flax and in PyTorch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark.networks import NETWORKS
from jaxdl import models
from jaxdl.train.state import parameter_count
from jaxdl.transfer.conversion import from_pytorch, layout
from tests import pytorch

# where PyTorch's Sequential has the layers
QUICK_NAMES = {
    "Whiten_0": "0",
    **dict(zip([f"Conv_{i}" for i in range(5)], ["2", "6", "10", "13", "17"], strict=True)),
    **dict(zip([f"BatchNorm_{i}" for i in range(5)], ["4", "8", "11", "15", "18"], strict=True)),
    "Dense_0": "22",
}
SPEED_NAMES = {
    "Whiten_0": "0",
    **dict(zip([f"Conv_{i}" for i in range(6)], ["2", "6", "9", "13", "16", "20"], strict=True)),
    **dict(zip([f"BatchNorm_{i}" for i in range(6)], ["4", "7", "11", "14", "18", "21"], strict=True)),
    "Dense_0": "25",
}
NAMES = {"quick_cnn": QUICK_NAMES, "speed_cnn": SPEED_NAMES}


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "resnet18" else name for name in NETWORKS]
)
def test_the_forms_of_a_network_compute_the_same(name, rng):
    network = NETWORKS[name]
    images = rng.normal(size=(4, *((64, 96) if network.of_pixels else network.image), 3)).astype(np.float32)
    stem = "cifar" if models.has_stem(name) else None
    ours = models.create(name, num_classes=network.classes, stem=stem, **network.settings)
    theirs = network.flax(jnp.float32)
    variables = jax.jit(partial(ours.init, train=False))(jax.random.key(0), images)
    our_logits, their_logits = (jax.jit(partial(logits_of, model, images)) for model in (ours, theirs))
    pytorch.assert_close(their_logits(variables), our_logits(variables), 1e-5)
    like = jax.eval_shape(partial(theirs.init, train=False), jax.random.key(0), images)
    assert parameter_count(like["params"]) == parameter_count(variables["params"])

    torch = pytorch.torch()
    torch.manual_seed(0)
    reference = network.pytorch().train()
    trained = sum(parameter.numel() for parameter in reference.parameters() if parameter.requires_grad)
    assert trained == parameter_count(like["params"])
    mapping = {"names": NAMES[name]} if name in NAMES else layout(ours)
    kept = {key for key, value in reference.named_parameters() if value.ndim == 1 and not value.requires_grad}  # ones
    held = {key: tensor.numpy() for key, tensor in reference.state_dict().items() if key not in kept}
    arrays = {key.removeprefix("network."): array for key, array in held.items()}
    expected = reference(torch.tensor(images).movedim(-1, 1)).detach().movedim(1, -1)
    pytorch.assert_close(their_logits(from_pytorch(arrays, variables, **mapping)), expected, 1e-4)


def logits_of(model, images, variables):
    return model.apply(variables, images, train=True, mutable=["batch_stats"])[0]
