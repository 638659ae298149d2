"""The layers that are measured are the network's, and so are their figures."""

import io
import json
import subprocess
import sys
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.benchmark import table
from experiments.benchmark.__main__ import main
from experiments.benchmark.contestant import Job
from experiments.benchmark.layers import breakdown, programs
from experiments.benchmark.layers.breakdown import Measured, Seconds, Step
from experiments.benchmark.layers.layer import layers
from experiments.benchmark.layers.programs import Arguments, PyTorch, best
from experiments.benchmark.layers.table import print_step
from experiments.benchmark.networks import CLASSIFIERS
from experiments.benchmark.torch_device import TorchDevice
from jaxdl import models
from tests import pytorch
from tests.commands.short_run import ROOT

IMAGE = (32, 32, 3)
LAYERS = ["--subject", "layers"]


def network(name):
    return models.create(name, num_classes=10, stem="cifar" if models.has_stem(name) else None)


def layer_of(name, says):
    (found,) = (layer for layer in layers(network(name), IMAGE) if layer.name == says)
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """(file, output) of a run so small that one convolution is worth Winograd's tiles."""
    out = tmp_path_factory.mktemp("layers") / "layers.json"
    flags = ["--model", "cifar_cnn", "--batch-size", "16", "--rounds", "1", "--out", str(out)]
    command = [sys.executable, "-m", "experiments.benchmark", *LAYERS, *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_layers_are_those_that_pytorch_runs(name):
    torch = pytorch.torch()
    reference, expected = CLASSIFIERS[name].pytorch().train(), Counter()

    def note(module, args, output):
        shape = tuple(args[0].shape[1:])
        shape = (*shape[1:], shape[0])
        if isinstance(module, torch.nn.Conv2d):
            count = module.weight.numel() * output[0, 0].numel()
            about = (tuple(module.kernel_size), tuple(module.stride), module.out_channels)
            expected["convolution", shape, count, about] += 1
        elif isinstance(module, torch.nn.BatchNorm2d):
            expected["batch norm", shape, 0, None] += 1
        elif isinstance(module, torch.nn.Linear):
            expected["dense", shape, module.weight.numel(), None] += 1
        elif isinstance(module, torch.nn.MaxPool2d | torch.nn.AdaptiveMaxPool2d):
            expected["pooling", shape, 0, None] += 1

    for module in reference.modules():
        module.register_forward_hook(note)
    reference(torch.zeros(2, 3, 32, 32))
    if name == "resnet18":  # there the mean is no module
        expected["pooling", (4, 4, 512), 0, None] += 1

    found = Counter()
    for layer in layers(network(name), IMAGE):
        kernel = next((own["kernel"].shape for own in layer.variables.values() if "kernel" in own), None)
        about = (kernel[:2], layer.window.strides, kernel[3]) if layer.window else None
        found[layer.kind, layer.shape, layer.multiply_adds, about] += layer.times
    assert found == expected


def test_multiply_adds_are_those_worked_out_by_hand():
    found = {layer.name: layer for layer in layers(network("resnet18"), IMAGE)}
    assert found["conv 3x3, 8x8x256 to 256"].multiply_adds == 8 * 8 * 9 * 256 * 256
    assert found["conv 1x1/2, 16x16x128 to 256"].multiply_adds == 8 * 8 * 128 * 256
    assert found["dense, 512 to 10"].multiply_adds == 5120
    assert sum(layer.times * layer.multiply_adds for layer in found.values()) == 555_422_720
    assert {layer.times for layer in found.values() if layer.kind == "batch norm"} == {5}


def test_gradients_are_taken_where_something_before_is_trained():
    passes = {layer.name: layer.passes for layer in layers(network("quick_cnn"), IMAGE)}
    # the whitening is not trained, so that no gradient goes through the convolution after it
    assert passes["conv 2x2, 32x32x3 to 24"] == 1
    assert passes["conv 3x3, 31x31x24 to 16"] == 2
    assert passes["conv 3x3, 15x15x16 to 64"] == 3
    assert passes["max of all places, 3x3x128"] == 2  # forward and by its input
    assert [layer.passes for layer in layers(network("cifar_cnn"), IMAGE)][:3] == [2, 3, 3]


@pytest.mark.long
@pytest.mark.parametrize(("batch_size", "way"), [(1, "XLA's"), (16, "winograd")])
def test_the_way_is_that_of_the_training_step(batch_size, way):
    layer = layer_of("cifar_cnn", "conv 5x5, 16x16x32 to 32")
    arguments = Arguments.of(layer, batch_size=batch_size)
    assert programs.fast(layer, arguments).way == way
    assert programs.plain(layer, arguments).way == "XLA's"


@pytest.mark.parametrize(
    ("name", "by_input"),
    [("conv 3x3/2, 32x32x64 to 128", True), ("conv 1x1/2, 32x32x64 to 128", True), ("conv 3x3, 32x32x3 to 64", False)],
)
def test_pytorch_is_given_the_same_convolution(name, by_input, monkeypatch):
    pytorch.torch()
    layer = layer_of("resnet18", name)
    arguments = Arguments.of(layer, batch_size=2)
    monkeypatch.setattr(PyTorch, "_run", lambda self, call: call)
    on = TorchDevice(Job(subject="layers", contestant="pytorch"))
    theirs = PyTorch(on).convolution(layer, arguments)
    params, x = arguments.variables["params"], arguments.x
    ours, pull = jax.vjp(lambda params, x: layer.call({"params": params}, x)[0], params, x)
    pytorch.assert_close(jnp.moveaxis(ours, -1, 1), theirs.forward().detach(), 1e-4)
    by_params, by_x = pull(jnp.asarray(arguments.gradient))
    *their_by_x, their_by_kernel = theirs.both()
    pytorch.assert_close(by_params["kernel"].transpose(3, 2, 0, 1), their_by_kernel, 1e-4)
    assert len(their_by_x) == by_input  # the first layer takes no gradient by its images
    for gradient in their_by_x:
        pytorch.assert_close(jnp.moveaxis(by_x, -1, 1), gradient, 1e-4)


def test_a_batch_norm_is_measured_in_training():
    layer = next(layer for layer in layers(network("resnet18"), IMAGE) if layer.kind == "batch norm")
    arguments = Arguments.of(layer, batch_size=2)
    y, changed = layer.call(arguments.variables, arguments.x)
    scale, bias = arguments.variables["params"]["scale"], arguments.variables["params"]["bias"]
    centred = arguments.x - arguments.x.mean((0, 1, 2))
    expected = centred / np.sqrt(np.square(centred).mean((0, 1, 2)) + 1e-5) * scale + bias
    np.testing.assert_allclose(y, expected, atol=1e-4)
    assert not np.array_equal(changed["batch_stats"]["mean"], arguments.variables["batch_stats"]["mean"])


def test_turns_alternate_and_the_best_is_kept(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    slow_down = iter([9.0, 1.0, 9.0, 3.0, 2.0, 4.0, 5.0, 1.5])  # two calls each, then two rounds

    def run(name):
        def calls(count):
            order.append((name, count))
            clock[0] += count * next(slow_down)

        return calls

    found = best({"a": run("a"), "b": run("b")}, rounds=2, seconds=6.0)
    assert order == [("a", 1), ("a", 1), ("b", 1), ("b", 1), ("a", 6), ("b", 2), ("a", 6), ("b", 2)]
    assert found == {"a": 2.0, "b": 1.5}


@pytest.mark.slow
def test_the_file_has_every_layer_and_shares_of_them_all(measured):
    found, _ = measured
    (result,) = found["results"]
    rows = result["layers"]
    assert (found["subject"], result["model"], result["batch_size"]) == ("layers", "cifar_cnn", 16)
    assert [row["kind"] for row in rows] == ["convolution"] * 3 + ["pooling"] * 3 + ["dense"] * 2
    assert [row["multiply_adds"] for row in rows] == [2_457_600, 6_553_600, 3_276_800, 0, 0, 0, 65_536, 640]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert [row["way"] for row in rows[:3]] == ["XLA's", "winograd", "XLA's"]
    assert all(row["forward_seconds"] > 0 and row["backward_seconds"] >= 0 for row in rows)
    for row in rows:
        ours, xla = row["forward_seconds"] + row["backward_seconds"], row["xla"]["forward"] + row["xla"]["backward"]
        assert (xla == ours) == (row["way"] == "XLA's")
        assert (row["pytorch"] is not None) == (row["kind"] == "convolution" and "pytorch" not in result["left_out"])
        assert row["share"] == pytest.approx(ours / result["sums"]["layers"]["jaxdl"])
        passes = 2 if row is rows[0] else 3
        if row["multiply_adds"]:
            assert row["flops_per_second"] == pytest.approx(2 * 16 * passes * row["multiply_adds"] / ours)
    assert {"jaxdl", "xla"} <= set(result["step_seconds"])
    assert all(seconds > 0 for seconds in result["step_seconds"].values())
    assert result["matrix_product_flops_per_second"]["jaxdl"] > 1e8


@pytest.mark.slow
def test_the_table_says_what_the_file_says(measured):
    found, printed = measured
    (result,) = found["results"]
    lines = printed.splitlines()
    assert "cifar_cnn, batch 16, f32, layer by layer" in lines
    for row in result["layers"]:
        (line,) = (line for line in lines if line.startswith(row["layer"] + " "))
        assert line.split()[-1] == f"{row['share']:.1%}"
        assert row["way"] in line
    (whole,) = (line for line in lines if line.startswith("whole step"))
    assert f"{result['step_seconds']['jaxdl'] * 1e3:.3g}" in whole
    assert "\N{HORIZONTAL ELLIPSIS}" not in printed


def test_a_table_of_long_names_and_numbers_fits_where_there_is_no_terminal():
    slow = seconds(123.4)
    rows = [
        Measured(layer=layer, way="winograd", ours=slow, xla=slow, pytorch=slow)
        for layer in layers(network("resnet18"), IMAGE)
    ]
    console = Console(width=table.WIDTH, file=io.StringIO())
    print_step(console, breakdown.record(step_of(rows)))
    printed = console.file.getvalue()
    assert "conv 3x3/2, 16x16x128 to 256 " in printed
    assert "\N{HORIZONTAL ELLIPSIS}" not in printed
    assert max(map(len, printed.splitlines())) <= table.WIDTH


def test_sums_count_a_layer_as_often_as_it_occurs():
    layer = layer_of("resnet18", "conv 3x3, 32x32x64 to 64")
    dense = layer_of("resnet18", "dense, 512 to 10")
    rows = [
        Measured(layer=of, way="XLA's", ours=seconds(1.0), xla=seconds(2.0), pytorch=theirs)
        for of, theirs in ((layer, seconds(4.0)), (dense, None))
    ]
    result = breakdown.record(step_of(rows))
    assert layer.times == 4
    assert result["sums"] == {
        "convolutions": {"jaxdl": 4.0, "xla": 8.0, "pytorch": 16.0},
        "layers": {"jaxdl": 5.0, "xla": 10.0},
    }
    assert [row["share"] for row in result["layers"]] == [0.8, 0.2]
    assert result["convolution_flops_per_second"]["xla"] == 2 * 2 * 3 * 4 * 37_748_736 / 8


def step_of(rows):
    return Step(
        model="resnet18",
        batch_size=2,
        layers=rows,
        whole={"jaxdl": 9.0},
        matrix_product={"jaxdl": 1e9},
        devices={},
        left_out={},
    )


def seconds(total):
    return Seconds(forward=total / 4, backward=total * 3 / 4)


def test_pytorch_that_is_not_installed_is_left_out(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import jax; "
        "from experiments.benchmark.layers import breakdown; breakdown._whole = lambda *_, with_pytorch: {}; "
        "breakdown.layers = lambda *_: []; breakdown.programs.SIDE = {'cpu': 8}; "
        "print(breakdown.run('cifar_cnn', batch_size=1, rounds=1).left_out)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'pytorch': 'torch is not installed'}"


@pytest.mark.parametrize(
    "flag", ["--contestants jaxdl", "--seconds 1", "--precision bf16", "--augment", "--threads 1", "--seeds 2"]
)
def test_flags_of_other_subjects_are_refused(flag, tmp_path, capsys):
    assert main([*LAYERS, *flag.split(), "--out", str(tmp_path / "out.json")]) == 2
    error = capsys.readouterr().err
    assert f"{flag.split()[0]} is not for --subject layers" in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
