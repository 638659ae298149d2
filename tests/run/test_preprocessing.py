"""Pictures that weights expect, by what is known of a file, and what the flags say otherwise."""

import dataclasses
import hashlib
import json

import jax
import numpy as np
import pytest

from jaxdl import models, saved_model
from jaxdl.data.framing import Framing
from jaxdl.errors import UserError
from jaxdl.run import preprocessing
from jaxdl.run.channels import channels_of, in_words
from jaxdl.run.config import Config
from jaxdl.transfer import safetensors, torchvision_files
from jaxdl.transfer.conversion import to_pytorch
from jaxdl.transfer.published import IMAGENET_MEAN, IMAGENET_STD, Published


def settled(*given, **settings):
    config = Config(**{"dataset": "folder", "data_dir": "x", "model": "resnet18", **settings})
    return preprocessing.settled(config, frozenset({*given, *settings}))


def pictures_of(config):
    return config.image_size, config.resize, config.interpolation, config.normalize


def test_without_weights_pictures_are_stretched_and_normalised_by_their_own_statistics(capsys):
    assert pictures_of(settled()) == (32, 0, "bilinear", "data")
    assert pictures_of(settled(resize=40, normalize="imagenet")) == (32, 40, "bilinear", "imagenet")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("resnet18", (224, 256, "bilinear", "imagenet")),
        ("resnet50", (224, 232, "bilinear", "imagenet")),
        ("inception_v3", (299, 342, "bilinear", "imagenet")),
        ("efficientnet_b3", (300, 320, "bicubic", "imagenet")),
    ],
)
def test_published_weights_bring_their_own(model, expected, capsys):
    assert pictures_of(settled(model=model, pretrained="torchvision")) == expected
    assert "as torchvision's" in capsys.readouterr().out


def test_flags_say_otherwise():
    weights = {"pretrained": "torchvision"}
    assert pictures_of(settled(**weights, image_size=112)) == (112, 128, "bilinear", "imagenet")
    assert pictures_of(settled(**weights, resize=0)) == (224, 0, "bilinear", "imagenet")
    assert pictures_of(settled(**weights, interpolation="bicubic")) == (224, 256, "bicubic", "imagenet")
    assert settled(**weights, normalize="data").normalize == "data"
    assert settled(**weights, normalize="none").normalize == "none"
    assert settled(**weights, normalize="weights").normalize == "imagenet"
    assert settled(**weights, normalize="0.5,0.5,0.5/0.2,0.2,0.2").normalize == "0.5,0.5,0.5/0.2,0.2,0.2"


def test_images_that_are_arrays_keep_their_size_and_get_the_weights_channels(capsys):
    assert pictures_of(settled(dataset="cifar10", pretrained="torchvision")) == (32, 0, "bilinear", "imagenet")
    assert "pictures:" not in capsys.readouterr().out


def test_a_published_file_is_known_by_its_content(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    older = Published(f"resnet18-{digest[:8]}.pth", size=240, resize=250, interpolation="bicubic")
    monkeypatch.setattr(torchvision_files, "PUBLISHED", {"resnet18": (Published("resnet18-0.pth"), older)})
    assert pictures_of(settled(pretrained=str(path))) == (240, 250, "bicubic", "imagenet")
    assert f"as torchvision's {older.file} has them\n" in capsys.readouterr().out
    known = preprocessing.of_weights(str(path), "resnet18")
    assert (len(known.classes), known.classes[281]) == (1000, "tabby")
    for name, content in (("model.json", '{"version": 1}'), ("model.json", "5"), ("config.json", "[")):
        (tmp_path / name).write_text(content)  # of something else that lies beside it
        assert preprocessing.of_weights(str(path), "resnet18") == known


def test_what_nobody_knows_is_assumed_and_said(tmp_path, capsys):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    assert pictures_of(settled(pretrained=str(path))) == (224, 256, "bilinear", "imagenet")
    assert "assumed; --normalize, --image-size and --resize say otherwise" in capsys.readouterr().out
    assert pictures_of(settled(pretrained=str(path), model="cifar_cnn")) == (32, 0, "bilinear", "none")
    assert "as the course has them (assumed" in capsys.readouterr().out
    assert settled(pretrained=str(path), model="speed_cnn").normalize == "data"
    assert "weights that saw them otherwise need --normalize" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "stem", "size", "expected", "by"),
    [
        ("resnet18", "cifar", 32, (32, 0, "bilinear", "imagenet"), "a resnet18 of stem cifar"),
        ("resnet18", "imagenet", 32, (224, 256, "bilinear", "imagenet"), "torchvision's resnet18"),
        ("vit_b_32", "imagenet", 96, (96, 96, "bilinear", "imagenet"), "a vit_b_32 of positions for 96 pixels"),
        ("vit_b_32", "imagenet", 224, (224, 256, "bilinear", "imagenet"), "torchvision's vit_b_32"),
    ],
)
def test_shapes_tell_the_pictures_that_nobody_else_does(model, stem, size, expected, by, tmp_path, capsys):
    network = models.create(model, stem=stem, num_classes=3)
    images = np.zeros((1, size, size, 3), np.float32)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))
    zeros = jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), shapes)
    safetensors.write(tmp_path / "w", to_pytorch(zeros))
    assert pictures_of(settled(model=model, pretrained=str(tmp_path / "w"))) == expected
    assert f"as {by} has them (assumed" in capsys.readouterr().out
    assert settled(model=model, pretrained=str(tmp_path / "w"), image_size=64).image_size == 64


def test_weights_without_a_word_on_their_pictures_are_an_error_where_they_are_asked(tmp_path):
    with pytest.raises(UserError, match="there are none: name them with --pretrained"):
        settled(normalize="weights")
    (tmp_path / "w.pth").write_bytes(b"weights")
    with pytest.raises(UserError, match="nothing tells what they saw"):
        settled(normalize="weights", model="speed_cnn", pretrained=str(tmp_path / "w.pth"))


@pytest.mark.parametrize("by", ["folder", "file"])
def test_a_network_saved_here_says_what_it_saw(by, tmp_path):
    model = models.create("cifar_cnn", num_classes=2)
    images = np.zeros((1, 32, 32, 3), np.float32)
    variables = model.init(__import__("jax").random.key(0), images, train=False)
    about = {"mean": [0.5] * 3, "std": [0.25] * 3, "classes": ["cat", "dog"], "resize": 40, "interpolation": "bicubic"}
    saved_model.save_model(tmp_path / "saved", model, variables, image=(32, 32, 3), about=about)
    path = tmp_path / "saved" / ("weights.safetensors" if by == "file" else "")
    config = settled(model="cifar_cnn", pretrained=str(path))
    assert pictures_of(config) == (32, 40, "bicubic", "0.5,0.5,0.5/0.25,0.25,0.25")
    assert preprocessing.of_weights(str(path), "cifar_cnn").classes == ("cat", "dog")
    description = tmp_path / "saved" / "model.json"
    described = json.loads(description.read_text())
    for odd in (5, {"std": "x"}, {"mean": [], "std": []}):
        description.write_text(json.dumps(described | {"about": odd}))
        assert settled(model="cifar_cnn", pretrained=str(path)).normalize == "none"


@pytest.mark.parametrize("value", ["none", "imagenet", "0.5/0.25", "0.4914,0.4822,0.4465/0.2471,0.2435,0.2616"])
def test_words_for_channels_come_back(value):
    assert in_words(*channels_of(value)) == value
    third = ((1 / 3,) * 3, (2 / 3,) * 3)
    assert channels_of(in_words(*third)) == third
    assert channels_of("imagenet") == (IMAGENET_MEAN, IMAGENET_STD)
    assert channels_of("data") is channels_of("weights") is None


@pytest.mark.parametrize("value", ["", "yes", "0.5", "0.5,0.5/1,1", "0/0", "nan/1", "0/inf", "1/2/3", "0.5,0.5,0.5/1"])
def test_words_that_mean_no_channels_are_refused(value):
    with pytest.raises(UserError, match="--normalize must be one of weights, data, none, imagenet, or MEAN/STD"):
        Config(normalize=value)


@pytest.mark.parametrize("value", ["123.675,116.28,103.53/58.395,57.12,57.375", "127.5/127.5"])
def test_channels_of_pixels_up_to_255_are_refused_with_what_to_do(value):
    with pytest.raises(UserError, match=r"pixels from 0 to 255; here they are in \[0, 1\]: divide each by 255"):
        channels_of(value)


def test_framing_of_another_size_keeps_as_much_of_the_picture():
    known = preprocessing.of_weights("torchvision", "resnet50")
    assert known.scaled(112) == Framing(112, 116)
    assert known._replace(framing=Framing(224)).scaled(64) == Framing(64)


def test_config_is_settled_once():
    config = settled(pretrained="torchvision")
    assert preprocessing.settled(config, frozenset(dataclasses.asdict(config))) == config
