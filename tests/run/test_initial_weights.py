"""Which weights of a file a network starts from, whatever the number of their classes, and what it has none of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.initial_weights import classes_in, fitted_to_weights, replaced_classifier, start_from
from jaxdl.transfer import safetensors
from jaxdl.transfer.conversion import layout, to_pytorch
from jaxdl.transfer.weights import contents
from tests.pytorch import torch

IMAGES = jnp.zeros((1, 32, 32, 3))


def arrays_of(num_classes, *, value):
    """The arrays of a ResNet-18 for so many classes, all of them of one value."""
    shapes = jax.eval_shape(
        lambda: models.create("resnet18", num_classes=num_classes).init(jax.random.key(0), IMAGES, train=False)
    )
    filled = jax.tree.map(lambda leaf: np.full(leaf.shape, value, leaf.dtype), shapes)
    return {name: torch().tensor(array) for name, array in to_pytorch(filled).items()}


def under(prefix, arrays):
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def started(content, folder, *, num_classes=3, key=None):
    """(classes of the file, value of a kernel, layers that start anew, lines) of a network for ``num_classes``."""
    torch().save(content, folder / "weights.pth")
    told, model = [], models.create("resnet18", num_classes=num_classes)
    loaded, anew = start_from(
        folder / "weights.pth", model, jax.random.key(0), IMAGES, weights_key=key, tell=told.append
    )
    found = classes_in(contents(folder / "weights.pth", key), models.create("resnet18", num_classes=1000), IMAGES)
    return found, float(loaded["params"]["conv1"]["kernel"].max()), anew, told


@pytest.mark.parametrize("classes", [3, 10, 1000])
@pytest.mark.parametrize("beside", ["pretrained", "teacher", "model_ema"])
def test_the_number_of_classes_does_not_choose_among_several(classes, beside, tmp_path):
    content = {"model": arrays_of(10, value=0.1), beside: arrays_of(1000, value=0.5)}
    found, value, anew, told = started(content, tmp_path, num_classes=classes)
    assert (found, value) == (10, pytest.approx(0.1))
    assert anew == ([] if classes == 10 else ["fc"])
    assert f"weights_key {beside}" in told[0]
    assert started(content, tmp_path, num_classes=classes, key=beside)[:2] == (1000, 0.5)


@pytest.mark.parametrize("raw", ["student.", ""])
def test_a_teacher_of_other_classes_is_a_choice(raw, tmp_path):
    content = {**under(raw, arrays_of(10, value=0.1)), **under("teacher.", arrays_of(1000, value=0.5))}
    with pytest.raises(UserError, match="hold this network 2 times"):
        started(content, tmp_path, num_classes=1000)


def test_an_average_that_is_the_only_one_that_fits_is_named(tmp_path):
    lacking = {name: each for name, each in arrays_of(3, value=0.1).items() if not name.startswith("bn1")}
    _, value, _, told = started({"state_dict": lacking, "state_dict_ema": arrays_of(3, value=0.5)}, tmp_path)
    assert value == 0.5
    assert told[0] == "weights of 'state_dict_ema', an average: no others there are of this network"


def test_weights_without_a_classifier_get_a_new_one(tmp_path):
    content = under("backbone.", {name: each for name, each in arrays_of(3, value=0.1).items() if "fc" not in name})
    found, value, anew, told = started(content, tmp_path)
    assert (found, anew) == (None, ["fc"])
    assert "the weights have no classifier" in told
    assert value == pytest.approx(0.1)


@pytest.mark.parametrize("odd", [np.float32(np.nan), np.float64(1e300)])
def test_numbers_that_are_not_finite_are_named_by_file_and_array(odd, tmp_path):
    arrays = arrays_of(3, value=0.1)
    kernel = torch().tensor(np.full(arrays["layer1.0.conv1.weight"].shape, odd))
    with pytest.raises(UserError, match=r"weights\.pth has numbers in layer1\.0\.conv1\.kernel that are not finite"):
        started({**arrays, "layer1.0.conv1.weight": kernel}, tmp_path)


def test_whole_numbers_are_not_said_to_be_of_another_network(tmp_path):
    arrays = {name: each.to(torch().int8) for name, each in arrays_of(3, value=5).items()}
    with pytest.raises(UserError, match=r"save the one that it was made of\.$"):
        started(arrays, tmp_path)


def test_auxiliary_classifiers_that_are_missing_are_not_the_classifier(tmp_path):
    model = models.create("googlenet", num_classes=3)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), IMAGES, train=False))
    zeros = to_pytorch(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes), **layout(model))
    for left_out, told in (("aux", []), (("aux", "fc"), ["the weights have no classifier"])):
        held = {name: array for name, array in zeros.items() if not name.startswith(left_out)}
        safetensors.write(tmp_path / "weights", held)
        said = []
        start_from(tmp_path / "weights", model, None, IMAGES, tell=said.append)
        assert said == told


@pytest.mark.parametrize("name", ["projector.", "rotation.", "momentum_predictor."])
def test_a_layer_of_learning_without_labels_is_no_classifier(name, tmp_path):
    backbone = {name: each for name, each in arrays_of(3, value=0.1).items() if "fc" not in name}
    content = {
        **under("encoder.", backbone),
        f"{name}fc.weight": torch().ones(3, 512),
        f"{name}fc.bias": torch().ones(3),
    }
    found, _, anew, _ = started(content, tmp_path)
    assert (found, anew) == (None, ["fc"])


def test_halves_of_a_classifier_are_none(tmp_path):
    arrays = arrays_of(3, value=0.1)
    model = models.create("resnet18", num_classes=3)
    torch().save({**arrays, "fc.bias": torch().ones(5)}, tmp_path / "odd.pth")
    loaded, anew = start_from(tmp_path / "odd.pth", model, jax.random.key(0), IMAGES)
    assert anew == ["fc"]
    assert not (loaded["params"]["fc"]["kernel"] == np.float32(0.1)).any()
    apart = {**under("model.", {k: v for k, v in arrays.items() if k != "fc.bias"}), "head.fc.bias": torch().ones(3)}
    with pytest.raises(UserError, match=r"fc\.bias"):
        started(apart, tmp_path)


@pytest.mark.parametrize(
    ("prefix", "classifier"),
    [
        ("", {"fc.1.weight": (4, 512), "fc.1.bias": (4,)}),
        ("", {"fc.weight": (4, 512)}),
        ("module.encoder_q.", {"fc.0.weight": (512, 512), "fc.0.bias": (512,), "fc.2.weight": (128, 512)}),
    ],
)
def test_a_classifier_of_other_layers_is_left_out(prefix, classifier, tmp_path):
    backbone = {name: each for name, each in arrays_of(3, value=0.1).items() if not name.startswith("fc.")}
    classifier = {name: torch().ones(shape) for name, shape in classifier.items()}
    found, value, anew, told = started(under(prefix, {**backbone, **classifier}), tmp_path)
    assert (found, value, anew) == (None, pytest.approx(0.1), ["fc"])
    assert any(f"is of other layers and is left out: {prefix}{next(iter(classifier))}" in line for line in told)
    held = contents(tmp_path / "weights.pth")
    assert replaced_classifier(held, models.create("resnet18"), IMAGES).startswith(f"{prefix}fc.")
    config = Config(model="resnet18", pretrained=str(tmp_path / "weights.pth"))
    assert fitted_to_weights(config, num_classes=3, image=(32, 32, 3)).stem == "imagenet"
    with pytest.raises(UserError, match="which it lacks"):
        started({**backbone, **classifier, "conv1.bias": torch().ones(64)}, tmp_path)


def test_a_classifier_in_place_of_its_module_is_left_out(tmp_path):
    model = models.create("mobilenet_v3_small", num_classes=3)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), IMAGES, train=False))
    zeros = to_pytorch(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes))
    held = {name: array for name, array in zeros.items() if not name.startswith("classifier.")}
    held["classifier.weight"] = np.zeros((3, 576), np.float32)
    safetensors.write(tmp_path / "weights", held)
    assert start_from(tmp_path / "weights", model, jax.random.key(0), IMAGES)[1] == ["classifier.0", "classifier.3"]


@pytest.mark.parametrize("size", [42, 70])
def test_a_stem_that_does_not_take_the_images_is_not_the_weights(size, tmp_path, capsys):
    model = models.create("dinov2_vits14", num_classes=3)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, size, size, 3)), train=False))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    safetensors.write(tmp_path / "weights.safetensors", to_pytorch(zeros, **layout(model)))
    config = Config(model="dinov2_vits14", pretrained=str(tmp_path / "weights.safetensors"))
    assert fitted_to_weights(config, num_classes=3, image=(size, size, 3)).stem == "imagenet"
    assert capsys.readouterr().out == ""
