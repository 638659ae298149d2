"""Runs that start from PyTorch's weights."""

import dataclasses
import hashlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models, saved_model
from jaxdl.commands.train import main
from jaxdl.data import sources
from jaxdl.errors import UserError
from jaxdl.run import finished_run
from jaxdl.run.initial_weights import fitted_to_weights, start_from
from jaxdl.run.network import frozen_patterns, model_of
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.transfer import torchvision_files
from jaxdl.transfer.published import Published
from tests import pytorch
from tests.commands.short_run import SHORT, records
from tests.models.test_models import course_network


@pytest.fixture
def course_file(tmp_path):
    """The course's network as PyTorch saves it."""
    torch = pytorch.torch()
    network = course_network(torch)
    torch.save(network.state_dict(), tmp_path / "course.pth")
    return tmp_path / "course.pth", network


def network_of(name, num_classes):
    return models.create(name, num_classes=num_classes), jax.random.normal(jax.random.key(1), (2, 32, 32, 3))


def test_the_networks_logits_are_those_of_the_file(course_file):
    path, network = course_file
    model, images = network_of("cifar_cnn", 10)
    variables, anew = start_from(path, model, jax.random.key(0), images)
    assert anew == []
    expected = network(pytorch.torch().tensor(np.array(images)).movedim(-1, 1)).detach()
    pytorch.assert_close(model.apply(variables, images, train=False), expected)


def test_a_classifier_for_other_classes_starts_anew_and_the_rest_does_not(course_file):
    path, network = course_file
    model, images = network_of("cifar_cnn", 3)
    variables, anew = start_from(path, model, jax.random.key(0), images)
    assert anew == ["Dense_1"]
    initial = model.init(jax.random.key(0), images, train=False)
    pytorch.assert_close(variables["params"]["Dense_1"]["kernel"], initial["params"]["Dense_1"]["kernel"])
    np.testing.assert_array_equal(variables["params"]["Conv_0"]["bias"], network[0].bias.detach())


def test_freeze_means_patterns_or_all_but_the_classifier():
    model, images = network_of("cifar_cnn", 3)
    assert frozen_patterns(None, model, images) == []
    assert frozen_patterns("backbone", model, images) == ["*", "!Dense_1"]
    assert frozen_patterns("Conv_*, !Conv_2", model, images) == ["Conv_*", "!Conv_2"]


@pytest.mark.slow
def test_a_run_starts_from_the_file_and_resumes_without_it(course_file, tmp_path, capsys):
    path, _ = course_file
    out = tmp_path / "run"
    assert main([*SHORT, "--pretrained", str(path), "--steps", "1", "--out", str(out)]) == 0
    assert f"weights  {path}" in capsys.readouterr().out
    assert main([*SHORT, "--steps", "1", "--out", str(tmp_path / "plain")]) == 0
    assert records(out)[1] != records(tmp_path / "plain")[1]
    path.unlink()
    assert main(["--resume", "--steps", "2", "--out", str(out)]) == 0


@pytest.mark.long
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


@pytest.mark.long
def test_torchvisions_weights_are_found_and_fitted(tmp_path, monkeypatch, capsys):
    torch = pytorch.torch()
    pytorch.torchvision()
    from torchvision.models import vit_b_32

    path = tmp_path / "vit.pth"
    theirs = vit_b_32(num_classes=3, image_size=96)
    torch.nn.init.normal_(theirs.heads.head.weight)
    torch.save(theirs.state_dict(), path)
    model = models.create("vit_b_32", num_classes=5)
    images = jnp.zeros((1, 64, 128, 3))
    variables, anew = start_from(path, model, jax.random.key(0), images)
    assert anew == ["heads.head"]
    assert variables["params"]["encoder"]["pos_embedding"].shape == (1, 1 + 2 * 4, 768)
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    flags = ["--dataset", "digits", "--model", "squeezenet1_1", "--pretrained", "torchvision", "--offline"]
    assert main([*flags, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert f"not in {tmp_path / 'weights'} and offline forbids a download" in error


@pytest.mark.parametrize(("name", "symmetric"), [("googlenet", True), ("inception_v3", True), ("resnet18", False)])
def test_torchvisions_weights_get_the_network_they_are_for(name, symmetric):
    config = dataclasses.replace(RECIPES["quick"], model=name, pretrained="torchvision")
    adapted = adapt(config, sources.load("digits"), frozenset({"pretrained", "model"}))
    assert adapted.stem == "imagenet"
    assert adapt(config, sources.load("digits"), frozenset({"stem"})).stem == "cifar"
    assert getattr(model_of(adapted, num_classes=3), "transform_input", False) == symmetric


def fitted(path, model, *given, **settings):
    config = dataclasses.replace(RECIPES["quick"], model=model, pretrained=str(path), **settings)
    dataset = sources.load("digits")
    config = adapt(config, dataset, frozenset(given))
    return fitted_to_weights(config, num_classes=len(dataset.classes), image=(32, 32, 3))


def zeros_of(model):
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def saved_by_torchvision(path, name, **options):
    torch, torchvision = pytorch.torch(), pytorch.torchvision()
    torch.save(getattr(torchvision.models, name)(num_classes=10, **options).state_dict(), path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "shufflenet_v2_x0_5",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "googlenet")
        ),
    ],
)
def test_a_file_that_fits_both_stems_is_the_published_networks_and_that_is_said(name, tmp_path, capsys):
    options = {"init_weights": False} if name == "googlenet" else {}
    path = saved_by_torchvision(tmp_path / "w.pth", name, **options)
    assert fitted(path, name).stem == "imagenet"
    assert "note     stem imagenet, as the weights' network has it" in capsys.readouterr().out
    assert fitted(path, name, "stem", stem="cifar").stem == "cifar"
    assert "stem" not in capsys.readouterr().out


def test_a_file_that_fits_one_stem_decides_it(tmp_path):
    path = saved_by_torchvision(tmp_path / "w.pth", "resnet18")
    assert fitted(path, "resnet18").stem == "imagenet"
    small = models.create("resnet18", stem="cifar")
    variables = zeros_of(small)
    saved_model.save_model(tmp_path / "saved", small, variables, image=(32, 32, 3))
    assert fitted(tmp_path / "saved", "resnet18").stem == "cifar"
    (tmp_path / "saved" / "model.json").unlink()
    assert fitted(tmp_path / "saved" / "weights.safetensors", "resnet18").stem == "cifar"
    with pytest.raises(UserError, match="They are for its stem imagenet: --stem imagenet, or leave the flag out"):
        start_from(path, small, None, jnp.zeros((1, 32, 32, 3)))


@pytest.mark.long
@pytest.mark.parametrize("by", ["folder", "file"])
def test_a_network_saved_here_keeps_its_stem(by, tmp_path):
    small = models.create("shufflenet_v2_x0_5", stem="cifar")
    variables = zeros_of(small)
    saved_model.save_model(tmp_path / "saved", small, variables, image=(32, 32, 3))
    path = tmp_path / "saved" / ("weights.safetensors" if by == "file" else "")
    assert fitted(path, "shufflenet_v2_x0_5").stem == "cifar"


@pytest.mark.long
def test_torchvisions_own_file_is_known_wherever_it_lies(tmp_path, monkeypatch, capsys):
    path = saved_by_torchvision(tmp_path / "mine.pth", "googlenet", init_weights=False)
    config = fitted(path, "googlenet")
    assert config.transform_input is False
    assert "rescales them to [-1, 1]: --transform-input if these weights do" in capsys.readouterr().out
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = Published(f"googlenet-{digest[:8]}.pth")
    monkeypatch.setattr(torchvision_files, "PUBLISHED", {"googlenet": (published,)})
    config = fitted(path, "googlenet")
    assert "--transform-input" not in capsys.readouterr().out
    assert model_of(config, num_classes=10).transform_input is True
    assert fitted(path, "googlenet", "transform_input", transform_input=False).transform_input is False
    with pytest.raises(UserError, match="transform_input is for googlenet and inception_v3, not for resnet18"):
        model_of(dataclasses.replace(config, model="resnet18"), num_classes=10)


@pytest.mark.slow
def test_a_run_with_frozen_layers_resumes_bit_for_bit(tmp_path):
    flags = [*SHORT, "--freeze", "Conv_*, !Conv_2", "--optimizer", "adam", "--lr", "0.001"]
    assert main([*flags, "--steps", "5", "--out", str(tmp_path / "whole")]) == 0
    assert main([*flags, "--steps", "2", "--out", str(tmp_path / "parts")]) == 0
    whole, early = (finished_run.load(str(tmp_path / name)) for name in ("whole", "parts"))
    assert main(["--resume", "--steps", "5", "--out", str(tmp_path / "parts")]) == 0
    resumed = finished_run.load(str(tmp_path / "parts"))
    assert whole.step == resumed.step == 5
    jax.tree.map(np.testing.assert_array_equal, resumed.variables, whole.variables)
    for layer, leaves in early.variables["params"].items():
        same = (whole.variables["params"][layer]["kernel"] == leaves["kernel"]).all()
        assert same == (layer in ("Conv_0", "Conv_1")), layer
