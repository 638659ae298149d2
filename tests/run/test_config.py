import dataclasses
import hashlib

import numpy as np
import pytest

from jaxdl.data import sources
from jaxdl.data.dataset import Dataset, Split
from jaxdl.errors import UserError
from jaxdl.run.asked import parse
from jaxdl.run.config import Config
from jaxdl.run.flags import flag_name
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.transfer import torchvision_files
from jaxdl.transfer.published import Published


def parsed(*argv):
    return parse(list(argv), RECIPES, "experiments.cifar")


def test_flags_replace_the_recipes_defaults_and_are_remembered():
    config, given = parsed("--recipe", "course", "--lr=0.5", "--normalize", "none", "--batch-size", "32")
    assert config == dataclasses.replace(RECIPES["course"], lr=0.5, batch_size=32)
    assert given == {"recipe", "lr", "normalize", "batch_size"}


def test_without_flags_the_quick_recipe_runs():
    assert parsed() == (RECIPES["quick"], frozenset())


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--recip", "quick"], "unknown flag '--recip'. Did you mean --recipe?"),
        (["--batchsize=3"], "unknown flag '--batchsize'. Did you mean --batch-size?"),
        (["--recipe", "quik"], "unknown recipe 'quik'. Did you mean quick?"),
        (["--model", "resnet81"], "unknown model 'resnet81'. Did you mean resnet18?"),
        (["--dataset", "digit"], "unknown dataset 'digit'. Did you mean digits?"),
        (["--learning-rate", "0.1"], "unknown flag '--learning-rate'. Did you mean --lr?"),
        (["--wd", "1e-4"], "Did you mean --weight-decay?"),
        (["--output-dir", "x"], "Did you mean --out?"),
        (["--loss", "BCEWithLogitsLoss"], "Did you mean one_vs_rest?"),
        (["--optimizer", "adm"], "unknown optimizer 'adm'. Did you mean adam?"),
        (["--precision", "fp16"], "unknown precision 'fp16'. Did you mean bf16?"),
        (["--lr", "0"], "--lr must be greater than 0, got 0.0"),
        (["--lr", "nan"], "--lr must be a finite number, got nan"),
        (["--lr", "fast"], "--lr: invalid float value: 'fast'"),
        (["--lr", "0.1,0.2"], "Of several values it is a sweep: jaxdl sweep."),
        (["--seed", "0:3"], "Of several values it is a sweep: jaxdl sweep."),
        (["--lr"], "--lr: expected one argument"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--steps", "-5"], "--steps must be at least 1, got -5"),
        (["--momentum", "1"], "--momentum must be less than 1, got 1.0"),
        (["--clip-norm", "0"], "--clip-norm must be greater than 0"),
        (["--label-smoothing", "1.0"], "--label-smoothing must be less than 1"),
        (["--val-size", "-1"], "--val-size must be at least 0"),
        (["--checkpoint-every", "0"], "--checkpoint-every must be at least 1"),
        (["--batch-size", "1.5"], "--batch-size: invalid int value: '1.5'"),
        (["cifar10"], "unexpected argument 'cifar10'"),
    ],
)
def test_what_cannot_be_understood_is_answered_in_a_line(argv, says):
    with pytest.raises(UserError) as raised:
        parsed(*argv)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("recipe", RECIPES)
def test_help_shows_every_flag_with_the_recipes_default(capsys, recipe):
    with pytest.raises(SystemExit) as ended:
        parsed("--recipe", recipe, "--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for field in dataclasses.fields(Config):
        assert flag_name(field.name) in shown
    assert shown.count("(default:") == len(dataclasses.fields(Config))
    assert f"(default: {RECIPES[recipe].epochs})" in shown


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_knows_its_own_name(name):
    assert RECIPES[name].recipe == name


def test_adapt_settles_what_depends_on_the_data():
    digits = sources.load("digits")
    config = adapt(RECIPES["quick"], digits, frozenset())
    assert (config.val_size, config.flip, config.test_flip) == (143, False, False)
    assert config.batch_size <= (1437 - 143) // 40


@pytest.mark.parametrize("recipe", RECIPES)
def test_adapt_leaves_every_recipe_its_batches_on_cifar10(recipe):
    images, labels = np.broadcast_to(np.uint8(0), (50_000, 32, 32, 3)), np.arange(50_000, dtype=np.int32) % 10
    split = Split(images, labels)
    cifar10 = Dataset("cifar10", split, split.take(np.arange(10)), tuple("0123456789"), "", "")
    assert adapt(RECIPES[recipe], cifar10, frozenset()).batch_size == RECIPES[recipe].batch_size


def test_adapt_leaves_what_was_given():
    config, given = parsed("--flip", "--batch-size", "200", "--val-size", "100")
    adapted = adapt(config, sources.load("digits"), given)
    assert (adapted.flip, adapted.batch_size, adapted.val_size) == (True, 200, 100)


def test_adapt_makes_do_with_a_handful_of_pictures(picture_folder):
    dataset = sources.load("folder", picture_folder)  # two classes of three
    config = adapt(RECIPES["quick"], dataset, frozenset())
    assert (config.val_size, config.batch_size) == (2, 4)
    for name in ("ants", "bees"):
        for file in list((picture_folder / "train" / name).iterdir())[1:]:
            file.unlink()
    config = adapt(RECIPES["quick"], sources.load("folder", picture_folder), frozenset())
    assert (config.val_size, config.batch_size) == (0, 2)


def test_weights_that_tell_their_network_name_it(tmp_path, monkeypatch, capsys):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(torchvision_files, "PUBLISHED", {"vgg11": (Published(f"vgg11-{digest[:8]}.pth"),)})
    config, _ = parse(["--pretrained", str(path)], RECIPES, "train")
    assert config.model == "vgg11"
    assert capsys.readouterr().out == "note     the network is vgg11, whose weights these are\n"
    assert parse(["--pretrained", str(path), "--model", "vgg13"], RECIPES, "train")[0].model == "vgg13"
    path.write_bytes(b"of one's own")
    assert parse(["--pretrained", str(path)], RECIPES, "train")[0].model == "quick_cnn"
