"""airbench94 in PyTorch is the published method: its parameters, whitening, rates, shifts, flips and views."""

import dataclasses
import itertools

import numpy as np
import pytest

from experiments.benchmark.accuracy import learn_airbench94
from experiments.benchmark.contestant import Job, LeftOutError
from experiments.benchmark.networks import NETWORKS
from tests import pytorch


def test_airbench94_runs_and_has_the_published_parameters(tiny):
    pytorch.torch()
    method = learn_airbench94.Method(Job(subject="accuracy", contestant="airbench94:2", dataset="digits"))
    assert [*method.training()] == [1.0, 2.0]
    assert method.parameters == 1_971_352  # without the whitening's 288
    assert 0 <= method.accuracy() <= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's compiler to itself
def test_airbench94_compiled_is_airbench94(tiny):
    torch = pytorch.torch()
    methods = [
        kind(Job(subject="accuracy", contestant="airbench94:1", dataset="digits"))
        for kind in (learn_airbench94.Method, learn_airbench94.Compiled)
    ]
    for method in methods:
        assert [*method.training()] == [1.0]
    plain, compiled = (method._model.state_dict() for method in methods)
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-3)


def test_airbench94_compiled_is_left_out_without_a_compiler(tiny, monkeypatch):
    torch = pytorch.torch()

    def fails(function):
        raise RuntimeError("\nInvalidCxxCompiler: no C++ compiler\nset CXX")

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(LeftOutError, match=r"^torch.compile: InvalidCxxCompiler: no C\+\+ compiler$"):
        learn_airbench94.Compiled(Job(subject="accuracy", contestant="airbench94-compile", dataset="digits"))


def test_airbench94_whitens_patches(rng):
    torch = pytorch.torch()
    mixed = rng.normal(size=(50, 32, 32, 3)) @ rng.normal(size=(3, 3))
    images = torch.tensor(mixed.astype(np.float32)).permute(0, 3, 1, 2)
    kernel = learn_airbench94.whitening(torch, images)
    seen = torch.nn.functional.conv2d(images, kernel).permute(0, 2, 3, 1).reshape(-1, 24)
    covariance = (seen.T @ seen / len(seen))[:12, :12]
    torch.testing.assert_close(covariance, torch.eye(12), atol=0.02, rtol=0)
    torch.testing.assert_close(seen[:, :12], -seen[:, 12:])


def test_airbench94_has_the_published_rates():
    torch = pytorch.torch()
    rates = [learn_airbench94.rate_at(step, steps=476) for step in range(477)]
    assert (rates[0], rates[109], rates[476]) == (0.2, 1.0, pytest.approx(0.07))
    np.testing.assert_allclose(np.diff(rates[:110]), 0.8 / 109)
    np.testing.assert_allclose(np.diff(rates[109:]), -0.93 / 367)
    model = NETWORKS["speed_cnn"].pytorch()
    norms, others = learn_airbench94.optimizer_of(torch, model, 1024).param_groups
    kilostep = 1024 * (1 + 1 / 0.15)
    assert (norms["lr"], others["lr"]) == pytest.approx((64 * 11.5 / kilostep, 11.5 / kilostep))
    for group in (norms, others):
        assert group["lr"] * group["weight_decay"] == pytest.approx(0.0153 * 1024 / kilostep)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert {id(parameter) for group in (norms, others) for parameter in group["params"]} == set(map(id, trained))


def test_airbench94_begins_by_handing_channels_on(rng):
    torch = pytorch.torch()
    layer = NETWORKS["speed_cnn"].pytorch()[2]
    x = torch.tensor(rng.normal(size=(2, 24, 6, 6)).astype(np.float32))
    torch.testing.assert_close(layer(x)[:, :24], x)


def test_lookahead_goes_part_of_the_way_and_back():
    torch = pytorch.torch()
    model = torch.nn.BatchNorm1d(2)
    slow = learn_airbench94.Lookahead(torch, model)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(8.0)
    slow.pull(0.75)  # of 1 and 3; of 0 and 8
    assert (model.weight.tolist(), model.running_mean.tolist()) == ([1.5, 1.5], [2.0, 2.0])
    with torch.no_grad():
        model.weight.fill_(9.0)
    slow.pull(1.0)
    assert model.weight.tolist() == [1.5, 1.5]


def test_shifts_reach_every_place_of_the_padding(rng):
    torch = pytorch.torch()
    torch.manual_seed(0)
    padded = torch.arange(10.0 * 10).reshape(1, 1, 10, 10).expand(500, 3, 10, 10)
    seen = learn_airbench94.shifted(torch, padded)
    assert seen.shape == (500, 3, 6, 6)
    corners = {divmod(int(value), 10) for value in seen[:, 0, 0, 0]}
    assert corners == set(itertools.product(range(5), repeat=2))
    first = seen[0, 0]
    torch.testing.assert_close(first - first[0, 0], padded[0, 0, :6, :6])


def test_airbench94_shows_each_image_one_way_round_and_then_the_other(tiny, monkeypatch):
    torch = pytorch.torch()
    monkeypatch.setattr(learn_airbench94, "shifted", lambda torch, padded: padded[:, :, 2:-2, 2:-2])
    monkeypatch.setattr(torch, "randperm", lambda count, device: torch.arange(count))
    seen = []
    network = NETWORKS["speed_cnn"]

    def watched():
        model = network.pytorch()
        model.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].clone()))
        return model

    watching = {"speed_cnn": dataclasses.replace(network, pytorch=watched)}
    monkeypatch.setattr(learn_airbench94, "NETWORKS", watching)
    method = learn_airbench94.Method(Job(subject="accuracy", contestant="airbench94:3", dataset="digits"))
    for _ in method.training():
        pass
    first, second, third = seen
    assert torch.equal(second, first.flip(3))
    assert torch.equal(third, first)
    original = method._normalized(tiny.train.images, *learn_airbench94.channel_statistics(tiny.train.images))
    as_it_was = [torch.equal(*pair) for pair in zip(first, original, strict=True)]
    assert 20 < sum(as_it_was) < 76


def test_the_views_of_airbench94_have_their_weights(tiny):
    torch = pytorch.torch()
    method = learn_airbench94.Method(Job(subject="accuracy", contestant="airbench94:1", dataset="digits"))
    ramp = torch.arange(32.0).expand(40, 3, 32, 32)  # rises to the right; its mirror image falls
    shown = []

    class Corner(torch.nn.Module):
        def forward(self, x):
            shown.append(x[0, 0, 0, :2].tolist())
            return x[:, 0, 0, :1] * torch.eye(10)[1]

    method._model, method._test = Corner(), (ramp, torch.ones(40, dtype=torch.long))
    assert method.accuracy() == 1.0
    # as it is; shifted so that the reflected column and row come in; and the other way; each mirrored too
    assert shown == [[0, 1], [31, 30], [1, 0], [30, 29], [1, 2], [30, 31]]
