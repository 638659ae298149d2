"""A classifier trained on features is the one that a frozen network's training gives, without its passes."""

import json

import jax
import numpy as np
import pytest

from jaxdl.commands import export
from jaxdl.commands.train import main
from jaxdl.run import finished_run

SHORT = ["--dataset", "digits", "--model", "quick_cnn", "--batch-size", "100", "--no-report", "--offline"]
PLAIN = ["--no-flip", "--crop-padding", "0", "--no-test-flip"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that has begun to see, as an exported folder."""
    folder = tmp_path_factory.mktemp("pretrained")
    assert main([*SHORT, "--steps", "20", "--lr", "0.02", "--out", str(folder / "run")]) == 0
    assert export.main([str(folder / "run"), "--platforms", "cpu", "--out", str(folder / "export")]) == 0
    return str(folder / "export")


def trained(weights, out, *flags):
    """What a run of a new classifier on the frozen network came to, and its records by epoch."""
    command = [*SHORT, "--pretrained", weights, "--freeze", "backbone", "--seed", "1", *flags]
    assert main([*command, "--out", str(out)]) == 0
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return finished_run.load(str(out)), [each for each in records if each["kind"] in ("epoch", "test")]


@pytest.mark.long
def test_it_is_the_frozen_networks_training_without_augmentation(weights, tmp_path, capsys):
    flags = ["--epochs", "2", "--lr", "0.001"]
    whole, slowly = trained(weights, tmp_path / "whole", *flags, *PLAIN)
    capsys.readouterr()
    cached, quickly = trained(weights, tmp_path / "cached", *flags, "--cache-features")
    assert "note     features are computed once, without augmentation and views" in capsys.readouterr().out
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5),
        cached.variables,
        whole.variables,
    )
    for ours, theirs in zip(quickly, slowly, strict=True):
        names = [name for name in theirs if name.endswith(("loss", "accuracy"))]
        assert [ours[name] for name in names] == pytest.approx([theirs[name] for name in names], rel=1e-3)
    assert finished_run.load(str(tmp_path / "cached")).config.flip is False


@pytest.mark.long
def test_resumed_it_ends_in_the_same_bits(weights, tmp_path):
    flags = ["--cache-features", "--epochs", "2"]
    never, _ = trained(weights, tmp_path / "never", *flags)
    trained(weights, tmp_path / "stopped", *flags, "--steps", "7")
    assert main(["--resume", "--out", str(tmp_path / "stopped"), "--steps", "100000"]) == 0
    resumed = finished_run.load(str(tmp_path / "stopped"))
    assert resumed.step == never.step
    jax.tree.map(np.testing.assert_array_equal, resumed.variables, never.variables)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--cache-features"], "--cache-features is for a frozen network: add --freeze backbone"),
        (["--cache-features", "--freeze", "backbone", "--flip"], "--flip changes images"),
        (["--cache-features", "--freeze", "backbone", "--mixup", "0.2"], "--mixup changes images"),
        (["--cache-features", "--freeze", "backbone", "--parallel", "pmap"], "is for one device"),
    ],
)
def test_what_features_cannot_have_is_told(flags, says, tmp_path, capsys):
    assert main([*SHORT, "--steps", "1", *flags, "--out", str(tmp_path / "run")]) == 2
    assert says in capsys.readouterr().err
