"""Runs that start from PyTorch's weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.cifar import main
from experiments.pretrained import start_from
from jaxdl import models, optim
from jaxdl.train.state import create_state
from tests import pytorch
from tests.experiments.short_run import SHORT, records
from tests.models.test_models import course_network


@pytest.fixture
def course_file(tmp_path):
    """The course's network as PyTorch saves it."""
    torch = pytorch.torch()
    network = course_network(torch)
    torch.save(network.state_dict(), tmp_path / "course.pth")
    return tmp_path / "course.pth", network


def state_of(name, num_classes):
    model = models.create(name, num_classes=num_classes)
    images = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    return model, create_state(model, optim.create("sgd", learning_rate=0.1), jax.random.key(0), images), images


def test_the_networks_logits_are_those_of_the_file(course_file):
    path, network = course_file
    model, state, images = state_of("cifar_cnn", 10)
    state, anew = start_from(path, state, model, images)
    assert anew == []
    expected = network(pytorch.torch().tensor(np.array(images)).movedim(-1, 1)).detach()
    pytorch.assert_close(model.apply({"params": state.params}, images, train=False), expected)


def test_a_classifier_for_other_classes_starts_anew_and_the_rest_does_not(course_file):
    path, network = course_file
    model, before, images = state_of("cifar_cnn", 3)
    after, anew = start_from(path, before, model, images)
    assert anew == ["Dense_1"]
    jax.tree.map(np.testing.assert_array_equal, after.params["Dense_1"], before.params["Dense_1"])
    np.testing.assert_array_equal(after.params["Conv_0"]["bias"], network[0].bias.detach())


def test_the_head_is_what_depends_on_the_classes():
    images = jnp.zeros((1, 64, 64, 3))
    assert models.head(models.create("resnet18"), images) == ["fc"]
    assert models.head(models.create("cifar_cnn"), images[:, :32, :32]) == ["Dense_1"]


def test_a_run_starts_from_the_file_and_resumes_without_it(course_file, tmp_path, capsys):
    path, _ = course_file
    out = tmp_path / "run"
    assert main([*SHORT, "--pretrained", str(path), "--steps", "1", "--out", str(out)]) == 0
    assert f"weights  {path}" in capsys.readouterr().out
    assert main([*SHORT, "--steps", "1", "--out", str(tmp_path / "plain")]) == 0
    assert records(out)[1] != records(tmp_path / "plain")[1]
    path.unlink()
    assert main(["--resume", "--steps", "2", "--out", str(out)]) == 0


def test_weights_that_do_not_fit_are_answered_in_a_line(course_file, tmp_path, capsys):
    path, _ = course_file
    flags = ["--dataset", "digits", "--out", str(tmp_path / "run")]
    for model, given, says in (
        ("resnet18", path, "the weights are for another network: it needs"),
        ("cifar_cnn", tmp_path / "absent.pth", "absent.pth"),
        ("cifar_cnn", __file__, "is neither of torch.save nor a safetensors file"),
    ):
        assert main([*flags, "--model", model, "--pretrained", str(given)]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
