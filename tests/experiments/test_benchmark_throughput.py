"""The contest of speed measures what it says, turn by turn, and says what it measured."""

import itertools
import json
import subprocess
import sys
import time

import jax
import pytest

from experiments.benchmark.__main__ import main
from experiments.benchmark.contestant import Job
from experiments.benchmark.process import Ready, Round
from experiments.benchmark.throughput import race, train_jaxdl
from experiments.benchmark.throughput.race import Lap, Race
from jaxdl.data import pipeline
from tests import pytorch
from tests.commands.short_run import ROOT

TINY = ["--rounds", "2", "--seconds", "0.05", "--batch-size", "4"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """(file, output) of a tiny run in which PyTorch takes part where it is installed."""
    out = tmp_path_factory.mktemp("benchmark") / "tiny.json"
    flags = ["--model", "cifar_cnn", "--contestants", "jaxdl,flax,pytorch", "--augment", "--threads", "1"]
    command = [sys.executable, "-m", "experiments.benchmark", *flags, *TINY, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


@pytest.mark.long
def test_the_file_has_every_contestants_figures(measured):
    found, _ = measured
    (result,) = found["results"]
    assert found["subject"] == "train"
    assert found["settings"]["augment"] is True
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["jax"] == jax.__version__
    assert {"model": "cifar_cnn", "batch_size": 4, "precision": "f32", "parameters": 145_578}.items() <= result.items()
    assert {"jaxdl", "flax"} <= set(result["contestants"])
    assert set(result["contestants"]) | set(result["left_out"]) == {"jaxdl", "flax", "pytorch"}
    for name, about in result["contestants"].items():
        turns = [turn for turn in result["rounds"] if turn["contestant"] == name]
        rates = about["images_per_second"]
        assert rates["rounds"] == [turn["images"] / turn["seconds"] for turn in turns]
        assert rates["lowest"] <= rates["median"] <= rates["highest"]
        assert all(turn["images"] % 4 == 0 and turn["seconds"] >= 0.05 for turn in turns)
        assert about["first_step_seconds"] > 0
        assert about["peak_bytes"] > 2**20
        assert (about["device"], about["threads"]) == ("cpu", 1)
        assert (about["waiting_for_data"] is not None) == (name == "jaxdl")


def test_contestants_take_turns_and_never_overlap(measured):
    (result,) = measured[0]["results"]
    turns, names = result["rounds"], list(result["contestants"])
    assert [turn["contestant"] for turn in turns] == names * 2
    assert [turn["number"] for turn in turns] == [1] * len(names) + [2] * len(names)
    for turn, following in itertools.pairwise(turns):
        assert turn["began"] + turn["seconds"] <= following["began"]


def test_the_table_says_what_the_file_says(measured):
    found, printed = measured
    (result,) = found["results"]
    assert "cifar_cnn, 145,578 parameters, batch 4, f32" in printed
    assert found["machine"]["cpu"] in printed
    assert f"waiting for data: jaxdl {result['contestants']['jaxdl']['waiting_for_data']:.1%} of the time" in printed
    assert "random pixels" in printed
    rows = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    for name, about in result["contestants"].items():
        assert f"{about['images_per_second']['median']:,.0f}".split(".")[0] in rows[name]
        if name != "jaxdl":
            assert f"{result['ratios'][name]['median']:.2f} x" in rows[name]


@pytest.mark.long
def test_training_says_how_long_it_waits_for_data(monkeypatch):
    training = train_jaxdl.Training(Job(subject="train", contestant="jaxdl", model="cifar_cnn", batch_size=4))
    quick = pipeline.train_batch

    def slow(*args, **options):
        time.sleep(0.1)
        return quick(*args, **options)

    monkeypatch.setattr(pipeline, "train_batch", slow)
    training.run(20)
    assert 0.5 < training.waiting_for_data <= 1


def test_ratios_are_of_each_round_by_itself():
    rates = {"jaxdl": [100.0, 300.0, 300.0], "flax": [50.0, 100.0, 300.0]}
    laps = [
        Lap(number=number, contestant=name, began=0.0, round=rounds_of(values[number - 1]))
        for number in (1, 2, 3)
        for name, values in rates.items()
    ]
    ready = {name: Ready(seconds=1.0, cpu_seconds=1.0, parameters=5, device="cpu", threads=2) for name in rates}
    task = Job(subject="train", contestant="jaxdl", model="cifar_cnn", batch_size=1)
    result = race.record(task, Race(ready=ready, left_out={}, laps=laps))
    # the medians are 300 and 100, but no round had ours three times as fast and the others not
    assert result["ratios"] == {"flax": {"rounds": [2.0, 3.0, 1.0], "median": 2.0, "lowest": 1.0, "highest": 3.0}}
    assert result["contestants"]["flax"]["images_per_second"]["median"] == 100.0
    assert result["contestants"]["flax"]["cores_busy"]["median"] == 1.5
    alone = Race(ready={"flax": ready["flax"]}, left_out={}, laps=[lap for lap in laps if lap.contestant == "flax"])
    assert race.record(task, alone)["ratios"] == {}


def rounds_of(rate):
    return Round(
        images=int(rate * 2),
        seconds=2.0,
        cpu_seconds=3.0,
        peak_bytes=None,
        device_peak_bytes=None,
        waiting_for_data=None,
    )


@pytest.mark.long
def test_input_is_measured_against_torchvision(tmp_path, capsys):
    out = tmp_path / "input.json"
    assert main(["--subject", "input", *TINY, "--out", str(out)]) == 0
    (result,) = json.loads(out.read_text())["results"]
    assert set(result["contestants"]) | set(result["left_out"]) == {"jaxdl", "torchvision"}
    assert result["contestants"]["jaxdl"]["images_per_second"]["median"] > 0
    assert result["parameters"] is None
    pytorch.torchvision()  # where it is installed it takes part
    assert set(result["ratios"]) == {"torchvision"}
    assert "input alone, batch 4" in capsys.readouterr().out


@pytest.mark.slow
def test_torch_compile_is_left_out_where_it_cannot_compile(tmp_path, capsys, monkeypatch):
    pytorch.torch()
    monkeypatch.setenv("CXX", "/bin/false")
    out = tmp_path / "compiled.json"
    assert main(["--model", "cifar_cnn", "--contestants", "pytorch-compile", *TINY, "--out", str(out)]) == 0
    (result,) = json.loads(out.read_text())["results"]
    assert result["left_out"]["pytorch-compile"].startswith("torch.compile: ")
    assert "pytorch-compile is left out: torch.compile: " in capsys.readouterr().out


def test_pytorch_that_is_not_installed_is_left_out(tmp_path, capsys, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "without.json"
    flags = ["--model", "cifar_cnn", "--contestants", "pytorch,pytorch-compile", *TINY, "--out", str(out)]
    assert main(flags) == 0
    (result,) = json.loads(out.read_text())["results"]
    reasons = dict.fromkeys(("pytorch", "pytorch-compile"), "torch is not installed")
    assert (result["contestants"], result["left_out"]) == ({}, reasons)
    assert "pytorch is left out: torch is not installed" in capsys.readouterr().out
