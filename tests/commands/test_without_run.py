"""Pretrained weights used without a run: predicted, evaluated, exported, shown."""

import json
import os
import shutil

import flax.linen as nn
import jax
import numpy as np
import pytest
from scipy.special import softmax

from jaxdl import models, saved_model, transfer
from jaxdl.commands import demo, evaluate, export, predict
from jaxdl.data.pictures import open_picture, png
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.classifier import Classifier
from jaxdl.run.config import Config
from jaxdl.run.initial_weights import fitted_to_weights
from jaxdl.transfer import imagenet, safetensors
from tests import pytorch, real_weights

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with two pictures a class, of odd sizes."""
    root, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir()
        for number in range(2):
            pixels = generator.integers(0, 256, (40 + 7 * number, 33, 3), np.uint8)
            (root / name / f"{number}.png").write_bytes(png(pixels))
    return root


@pytest.fixture
def names(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(CLASSES) + "\n")
    return str(tmp_path / "names.txt")


def network(weights, *more):
    return ["--model", "cifar_cnn", "--pretrained", str(weights[0]), *more]


def test_predictions_are_the_networks_on_pixels_in_0_to_1(weights, pictures, names, capsys):
    path, model, variables = weights
    assert predict.main([*network(weights, "--classes", names), str(pictures / "cat" / "0.png"), "--json"]) == 0
    said = capsys.readouterr()
    [answer] = json.loads(said.out)
    assert "pixels in [0, 1], as the course has them (assumed" in said.err
    pixels = open_picture(pictures / "cat" / "0.png", 32)[None] / np.float32(255)
    expected = softmax(np.asarray(model.apply(variables, pixels, train=False))[0])
    found = {each["class"]: each["probability"] for each in answer["predictions"]}
    np.testing.assert_allclose([found[name] for name in CLASSES], expected, rtol=1e-4)
    assert path.exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "name one picture or more"),
        (["--model", "cifar_cnn", "a.png"], "needs its weights: --pretrained FILE, or torchvision"),
        (["--model", "cifar_cnn", "--pretrained", "nowhere.pth", "a.png"], "cannot read nowhere.pth"),
        (
            ["--model", "cifar_cnn", "--pretrained", "torchvision", "--checkpoint", "best", "a.png"],
            "--checkpoint is for",
        ),
        (
            ["--model", "quick_cnn", "--pretrained", "torchvision", "a.png"],
            "torchvision publishes no weights for quick_cnn",
        ),
        (["--stem", "cifar", "runs/a", "a.png"], "--stem is for a network without a run"),
        (
            ["--pretrained", __file__, "runs/a", "a.png"],
            "is neither of torch.save nor a safetensors file",
        ),
        (["--checkpoint", "newest", "runs/a", "a.png"], "--checkpoint must be last, best or a number"),
        (["--normalize", "5", "--model", "vgg11", "a.png"], "--normalize must be one of"),
    ],
)
def test_what_names_no_network_is_told_in_a_line(argv, says, capsys):
    assert predict.main(argv) == 2
    assert says in capsys.readouterr().err


def test_a_run_and_a_model_are_two_networks(weights, capsys):
    for command in (export, demo):
        assert command.main(["runs/a", *network(weights)]) == 2
        assert "the run runs/a and --model are two networks; give one" in capsys.readouterr().err
        assert command.main([]) == 2
        assert "name the folder of a run, or a network with --model" in capsys.readouterr().err


def test_classes_that_are_not_as_many_are_refused(weights, pictures, tmp_path, capsys):
    (tmp_path / "two.txt").write_text("a\nb\n")
    assert predict.main([*network(weights, "--classes", str(tmp_path / "two.txt")), str(pictures)]) == 2
    assert "names 2 classes; the weights have 3" in capsys.readouterr().err


def test_data_there_is_none_to_normalise_by(weights, pictures, capsys):
    assert predict.main([*network(weights, "--normalize", "data"), str(pictures)]) == 2
    assert "nothing tells how the weights saw their pixels" in capsys.readouterr().err


@pytest.mark.long
def test_evaluation_counts_every_picture_and_writes_a_page(weights, pictures, names, tmp_path, capsys):
    out = tmp_path / "out"
    flags = network(weights, "--classes", names, "--pictures", str(pictures), "--out", str(out))
    assert evaluate.main(flags) == 0
    assert "cifar_cnn on 6 images of" in capsys.readouterr().out
    found = json.loads((out / "evaluation.json").read_text())
    assert (found["examples"], found["step"]) == (6, 0)
    assert "<title>" in (out / "report.html").read_text()
    lines = (out / "predictions.csv").read_text().splitlines()
    assert len(lines) == 7
    assert evaluate.main(network(weights)) == 2
    assert "has no data of its own: name a folder with --pictures" in capsys.readouterr().err


@pytest.mark.long
def test_an_export_is_the_network_with_its_pictures(weights, names, tmp_path, capsys):
    out = tmp_path / "export"
    flags = network(weights, "--classes", names, "--resize", "36", "--platforms", "cpu", "--out", str(out))
    assert export.main(flags) == 0
    assert capsys.readouterr().out.startswith("cifar_cnn, 3 classes\n")
    saved = saved_model.load_model(out)
    jax.tree.map(np.testing.assert_array_equal, saved.variables, weights[2])
    assert (saved.about["classes"], saved.about["resize"], saved.about["std"]) == (list(CLASSES), 36, [1.0])
    assert NetworkOptions(pretrained=str(weights[0])).model is None  # a file of one's own tells nothing
    again = NetworkOptions(pretrained=str(out)).load()
    assert again.classes == CLASSES
    assert tuple(again.framing) == (32, 36, "bilinear")


def test_folders_of_imagenet_may_bear_synset_index_or_name(tmp_path):
    from jaxdl.data.folder import labelled

    classes = tuple(each.name for each in imagenet.classes())
    for name in ("n02123045", "282", "Persian_cat", "Siamese cat", "tabby"):
        (tmp_path / name).mkdir()
        shutil.copyfile(_picture(tmp_path.parent), tmp_path / name / "a.png")
    _, labels, _ = labelled(tmp_path, classes, also=imagenet.other_names(classes))
    assert labels.tolist() == [281, 281, 282, 283, 284]
    assert imagenet.other_names(classes[:10]) == {}


def _picture(folder):
    path = folder / "picture.png"
    path.write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    return path


@pytest.mark.long
def test_real_weights_see_what_torchvision_sees_in_real_photographs(tmp_path, capsys):
    file = real_weights.mobilenet_v2()
    torch, torchvision = pytorch.torch(), pytorch.torchvision()
    from PIL import Image

    paths = real_weights.photographs(tmp_path, 24)
    published = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1
    module = torchvision.models.mobilenet_v2()
    module.load_state_dict(torch.load(file, weights_only=True))
    batch = torch.stack([published.transforms()(Image.open(path).convert("RGB")) for path in paths])
    with torch.no_grad():
        theirs = module.eval()(batch).numpy()
    run = NetworkOptions(pretrained=str(file)).load()  # whose hash tells the network
    ours = Classifier(run).logits(np.stack([open_picture(path, run.framing) for path in paths]))
    assert abs(ours - theirs).max() < 1e-3
    flags = ["--model", "mobilenet_v2", "--pretrained", str(file), "--json", "--top", "5"]
    capsys.readouterr()
    assert predict.main([*flags, *map(str, paths)]) == 0
    for answer, row in zip(json.loads(capsys.readouterr().out), theirs, strict=True):
        expected = [published.meta["categories"][index] for index in np.argsort(-row)[:5]]
        assert [each["class"] for each in answer["predictions"]] == expected


def test_a_classifier_that_is_not_whole_is_no_network_to_use(weights, pictures, tmp_path, capsys):
    arrays = dict(safetensors.read(weights[0]))
    name = next(name for name in arrays if name.endswith("bias") and arrays[name].shape == (3,))
    safetensors.write(tmp_path / "odd.safetensors", {**arrays, name: np.zeros(5, np.float32)})
    assert predict.main(["--model", "cifar_cnn", "--pretrained", str(tmp_path / "odd.safetensors"), str(pictures)]) == 2
    assert "its network classifies nothing without training" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_weights_of_whole_numbers_are_refused(dtype, weights, pictures, tmp_path, capsys):
    arrays = {name: array.astype(dtype) for name, array in safetensors.read(weights[0]).items()}
    safetensors.write(tmp_path / "odd.safetensors", arrays)
    assert predict.main(["--model", "cifar_cnn", "--pretrained", str(tmp_path / "odd.safetensors"), str(pictures)]) == 2
    assert "the weights are no floating-point numbers" in capsys.readouterr().err


@pytest.mark.long
def test_a_network_saved_with_its_edits_is_used_as_it_was_saved(pictures, tmp_path, capsys):
    images = np.zeros((1, 48, 48, 3), np.float32)
    model = models.create("googlenet", num_classes=3, transform_input=True, stem="cifar", auxiliary=False)
    variables = jax.jit(lambda: model.init(jax.random.key(1), images, train=False))()
    new = {"key": jax.random.key(0), "images": images}
    changed, variables = transfer.append(model, variables, [nn.tanh], name="squashed", **new)
    saved_model.save_model(tmp_path / "saved", changed, variables, image=(48, 48, 3))
    flags = ["--pretrained", str(tmp_path / "saved"), "--normalize", "none", "--json", "--top", "3"]
    assert predict.main([*flags, str(pictures / "cat" / "0.png")]) == 0
    [answer] = json.loads(capsys.readouterr().out)
    pixels = open_picture(pictures / "cat" / "0.png", 48)[None] / np.float32(255)
    expected = softmax(np.asarray(changed.apply(variables, pixels, train=False))[0])
    found = [each["probability"] for each in answer["predictions"]]
    np.testing.assert_allclose(found, np.sort(expected)[::-1], rtol=1e-4)
    assert predict.main([*flags, "--model", "vgg11", str(pictures)]) == 2
    assert "holds 'googlenet', not vgg11: leave --model out" in capsys.readouterr().err
    assert predict.main([*flags, "--stem", "imagenet", str(pictures)]) == 2
    assert "holds googlenet, whose stem is cifar: leave --stem out" in capsys.readouterr().err
    assert predict.main([*flags, "--no-transform-input", str(pictures)]) == 2
    assert "holds googlenet, whose transform input is True: leave --transform-input out" in capsys.readouterr().err
    config = Config(model="googlenet", pretrained=str(tmp_path / "saved" / "weights.safetensors"), stem="cifar")
    assert fitted_to_weights(config, num_classes=3, image=(48, 48, 3)).transform_input is True
    (tmp_path / "saved" / "model.json").rename(tmp_path / "model.json")
    weights = ["--model", "googlenet", "--stem", "cifar", "--image-size", "48", "--normalize", "none", "--pretrained"]
    weights.append(str(tmp_path / "saved" / "weights.safetensors"))
    for flag, rescaled in ([], False), (["--transform-input"], True):
        capsys.readouterr()
        assert predict.main([*weights, *flag, str(pictures)]) == 0
        assert ("--transform-input if these weights do" in capsys.readouterr().err) is not rescaled
        given = {"stem": "cifar", "image_size": 48, "transform_input": rescaled or None}
        options = NetworkOptions(model="googlenet", pretrained=weights[-1], **given)
        assert options.load().model.transform_input is rescaled


def test_weights_that_are_not_finite_are_no_network_to_use(weights, pictures, tmp_path, capsys):
    arrays = dict(safetensors.read(weights[0]))
    name = next(name for name in arrays if name.endswith("weight"))
    safetensors.write(tmp_path / "odd.safetensors", {**arrays, name: np.full_like(arrays[name], np.inf)})
    assert predict.main(["--model", "cifar_cnn", "--pretrained", str(tmp_path / "odd.safetensors"), str(pictures)]) == 2
    assert "that are not finite" in capsys.readouterr().err


def test_a_classifier_of_other_layers_can_be_trained_anew(weights, pictures, tmp_path, capsys):
    arrays = {name.replace("8.", "8.1."): array for name, array in safetensors.read(weights[0]).items()}
    safetensors.write(tmp_path / "odd.safetensors", arrays)
    assert predict.main(["--model", "cifar_cnn", "--pretrained", str(tmp_path / "odd.safetensors"), str(pictures)]) == 2
    said = capsys.readouterr().err
    assert "has a classifier of other layers than cifar_cnn's: 8.1." in said
    assert "Train one anew on the rest" in said


def test_what_would_wait_or_take_all_memory_is_a_line(weights, pictures, tmp_path, capsys):
    os.mkfifo(tmp_path / "names")
    assert predict.main([*network(weights, "--classes", str(tmp_path / "names")), str(pictures)]) == 2
    assert "it is not a file" in capsys.readouterr().err
    assert predict.main([*network(weights, "--image-size", "100000"), str(pictures)]) == 2
    assert "--image-size must be at most 4096" in capsys.readouterr().err


def test_a_saved_network_named_as_a_run_is_told_how(weights, tmp_path, capsys):
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "weights.pth").write_text("x")
    for path in (tmp_path, tmp_path / "weights.pth"):
        assert demo.main([str(path)]) == 2
        assert f"is no run but weights: --pretrained {path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere.pth", "cannot read "),
        ("text.pth", "is neither of torch.save nor a safetensors file"),
        ("pictures", "is a folder, but not one with an exported network"),
        ("mine.safetensors", "does not tell its network: name it with --model"),
    ],
)
def test_weights_that_are_none_are_told_before_a_flag_is_asked_for(name, says, weights, tmp_path, capsys):
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "pictures").mkdir()
    shutil.copyfile(weights[0], tmp_path / "mine.safetensors")
    assert demo.main(["--pretrained", str(tmp_path / name)]) == 2
    printed = capsys.readouterr().err
    assert says in printed
    assert str(tmp_path / name) in printed
