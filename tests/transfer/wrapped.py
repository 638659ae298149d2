"""A small network of PyTorch's, its state dicts, and how they are saved and found again."""

import warnings

import jax
import numpy as np
import pytest

from jaxdl.transfer.conversion import from_pytorch, located
from jaxdl.transfer.weights import contents
from tests.pytorch import torch

nn = pytest.importorskip("torch").nn
LEAVES = {  # of the network below
    ("params", "conv", "kernel"): (3, 3, 3, 4),
    ("params", "body.0", "scale"): (4,),
    ("params", "body.0", "bias"): (4,),
    ("batch_stats", "body.0", "mean"): (4,),
    ("batch_stats", "body.0", "var"): (4,),
    ("params", "body.1", "kernel"): (1, 1, 4, 4),
    ("params", "fc", "kernel"): (4, 5),
    ("params", "fc", "bias"): (5,),
}
VARIABLES: dict = {}
for (collection, layer, leaf), shape in LEAVES.items():
    VARIABLES.setdefault(collection, {}).setdefault(layer, {})[leaf] = jax.ShapeDtypeStruct(shape, np.float32)


class Network(nn.Module):
    """A convolution, a norm and another, a linear layer: every value another one."""

    def __init__(self, seed=0):
        super().__init__()
        torch().manual_seed(seed)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.body = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1, bias=False))
        self.fc = nn.Linear(4, 5)
        for held in (self.body[0].weight.data, self.body[0].running_mean, self.body[0].running_var):
            held.copy_(torch().randn(4))


STATE = Network().state_dict()
OTHER = Network(1).state_dict()


def under(prefix, state=STATE):
    return {prefix + name: held for name, held in state.items()}


def averaged():
    average = torch().optim.swa_utils.AveragedModel(Network(), use_buffers=True)
    average.update_parameters(Network())
    return average.state_dict()


def parameters(state, prefix=""):
    return {prefix + name: held for name, held in state.items() if "running" not in name and "num" not in name}


def loaded(path, key=None, **options):
    held = contents(path, key)
    choice = located(held.dicts, VARIABLES)
    return from_pytorch(held.arrays(choice), VARIABLES, **options), choice


def assert_is(variables, state):
    expected = from_pytorch({name: held.numpy() for name, held in state.items()}, VARIABLES)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)


def saved(content, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch().save(content, path, **options)
    return path
