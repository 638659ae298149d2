"""Exported networks give the accuracy that their run reported."""

import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.commands.export import main
from jaxdl.commands.train import main as train
from jaxdl.data import augment, sources
from jaxdl.saved_model import load_model
from jaxdl.transfer import load_weights
from tests import pytorch
from tests.commands.short_run import SHORT, final_state
from tests.models.test_models import course_network
from tests.test_serving import SERVER


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """The folder written of a finished run, and the run's own."""
    run, _ = finished
    folder = tmp_path_factory.mktemp("exports") / "net"
    assert main([str(run), "--out", str(folder)]) == 0
    return folder, run


def test_the_function_reaches_the_runs_accuracy_without_the_library(exported, tmp_path):
    folder, run = exported
    test = sources.load("digits").test
    np.save(tmp_path / "images.npy", test.images)
    paths = [str(path) for path in (folder / "model.jaxexport", tmp_path / "images.npy", tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", SERVER, *paths], check=True, cwd=tmp_path)
    probabilities = np.load(tmp_path / "out.npy")[: len(test)]
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    reported = json.loads((run / "summary.json").read_text())["test_accuracy"]
    assert (probabilities.argmax(1) == test.labels).mean() == pytest.approx(reported, abs=1e-6)


def test_the_folder_holds_the_runs_parameters_and_what_it_was(exported):
    folder, run = exported
    saved = load_model(folder)
    ours = final_state(run).params
    for layer, leaves in ours.items():
        for name, leaf in leaves.items():
            np.testing.assert_array_equal(saved.variables["params"][layer][name], leaf)
    assert saved.about["classes"] == [str(digit) for digit in range(10)]
    assert saved.about["dataset"] == "digits"
    assert saved.image == (32, 32, 3)


def test_pytorch_computes_the_same_with_the_weights(exported):
    torch = pytorch.torch()
    folder, _ = exported
    theirs, saved = course_network(torch), load_model(folder)
    theirs.load_state_dict(
        {name: torch.tensor(np.array(array)) for name, array in load_weights(folder / "weights.safetensors").items()}
    )
    images = np.asarray(augment.normalize(jnp.asarray(sources.load("digits").test.images[:8])))
    expected = theirs(torch.tensor(images).movedim(-1, 1)).detach()
    pytorch.assert_close(saved.model.apply(saved.variables, images, train=False), expected, 1e-4)


@pytest.mark.long
def test_a_run_with_frozen_layers_and_averages_is_exported_as_it_was_tested(tmp_path, capsys):
    run = tmp_path / "run"
    flags = [*SHORT, "--epochs", "1", "--freeze", "backbone", "--ema", "0.8", "--out", str(run)]
    assert train(flags) == 0
    assert "650 of them trained" in capsys.readouterr().out
    assert main([str(run)]) == 0
    saved, test = load_model(run / "export"), sources.load("digits").test
    logits = saved.model.apply(saved.variables, augment.normalize(jnp.asarray(test.images)), train=False)
    reported = json.loads((run / "summary.json").read_text())["test_accuracy"]
    assert (np.asarray(logits).argmax(1) == test.labels).mean() == pytest.approx(reported, abs=1e-6)


def test_mistakes_end_with_status_2_and_a_line(exported, tmp_path, capsys):
    folder, run = exported
    for argv, says in (
        ([str(tmp_path / "absent")], "there is no run in"),
        ([str(run), "--out", str(folder)], "nothing is overwritten"),
        ([str(run), "--out", str(tmp_path / "x"), "--platforms", "cpu,gpu"], "unknown platform 'gpu'"),
        ([], "name the folder of a run"),
    ):
        assert main(argv) == 2
        error = capsys.readouterr().err
        assert says in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "x").exists()
