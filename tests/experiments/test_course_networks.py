"""The networks of the course's last part, trained beside PyTorch's from the same parameters on the same data."""

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from jaxdl import losses, optim
from jaxdl.nn import Dense
from jaxdl.train.state import create_state
from jaxdl.train.step import make_train_step

torch = pytest.importorskip("torch")


class Stack(nn.Module):
    """Linear layers of these widths with an activation between."""

    widths: tuple[int, ...]
    activation: Callable = nn.relu

    @nn.compact
    def __call__(self, x, *, train: bool):
        for width in self.widths[:-1]:
            x = self.activation(Dense(width)(x))
        return Dense(self.widths[-1])(x)


@dataclass(frozen=True)
class Case:
    """A network, how it is trained, and PyTorch's names for the same."""

    data: Callable
    widths: tuple[int, ...]
    activation: str
    loss: str
    sgd: dict
    updates: int


def _line():
    x = np.array([[1.0], [2.0], [3.0]], np.float32)
    return x, 2 * x


def _hours():
    return np.array([[1.0], [2.0], [3.0]], np.float32), np.array([[0.0], [0.0], [1.0]], np.float32)


def _table():
    features, labels = load_breast_cancer(return_X_y=True)
    features = features[:400, :8].astype(np.float32)
    return (features - features.mean(0)) / features.std(0), labels[:400, None].astype(np.float32)


def _digits():
    images, labels = load_digits(return_X_y=True)
    return np.tile(images[:128] / 16, (1, 13))[:, :784].astype(np.float32), labels[:128].astype(np.int32)


CASES = {
    "linear regression": Case(_line, (1,), "relu", "mse", {"lr": 0.01}, 999),
    "logistic regression": Case(_hours, (1,), "relu", "bce", {"lr": 0.1}, 999),
    "table": Case(_table, (6, 4, 1), "sigmoid", "bce", {"lr": 0.1, "momentum": 0.9}, 300),
    "softmax": Case(_digits, (512, 256, 128, 64, 10), "relu", "ce", {"lr": 0.1, "momentum": 0.5}, 55),
}
LOSSES = {
    "mse": (losses.mse, torch.nn.functional.mse_loss),
    "bce": (losses.binary_cross_entropy_with_logits, torch.nn.functional.binary_cross_entropy_with_logits),
    "ce": (losses.cross_entropy, torch.nn.functional.cross_entropy),
}
ACTIVATIONS = {"relu": (nn.relu, torch.nn.ReLU), "sigmoid": (nn.sigmoid, torch.nn.Sigmoid)}


@pytest.mark.long
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_training_follows_pytorchs(case):
    inputs, targets = case.data()
    ours, theirs = ACTIVATIONS[case.activation]
    model = Stack(case.widths, ours)
    optimizer = optim.create("sgd", learning_rate=case.sgd["lr"], **{k: v for k, v in case.sgd.items() if k != "lr"})
    loss, torch_loss = LOSSES[case.loss]
    state = create_state(model, optimizer, jax.random.key(0), inputs[:1])
    network = _in_pytorch(state.params, case.widths, theirs)
    torch_optimizer = torch.optim.SGD(network.parameters(), **case.sgd)
    step = make_train_step(model, optimizer, loss)
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)
    y = y.long() if case.loss == "ce" else y
    found, expected = [], []
    for _ in range(case.updates):
        state, measured = step(state, {"images": inputs, "labels": targets})
        found.append(measured["loss"].value)
        torch_optimizer.zero_grad()
        value = torch_loss(network(x), y)
        value.backward()
        torch_optimizer.step()
        expected.append(value.item())
    assert expected[-1] < 0.7 * expected[0]
    np.testing.assert_allclose(jax.device_get(found), expected, rtol=5e-4, atol=1e-6)


def _in_pytorch(params, widths, activation):
    """``torch.nn.Sequential`` with these parameters."""
    parts = []
    for number in range(len(widths)):
        kernel, bias = (np.asarray(params[f"Dense_{number}"][name]) for name in ("kernel", "bias"))
        layer = torch.nn.Linear(*kernel.shape)
        layer.weight.data, layer.bias.data = torch.from_numpy(kernel.T.copy()), torch.from_numpy(bias.copy())
        parts += [layer, activation()]
    return torch.nn.Sequential(*parts[:-1])
