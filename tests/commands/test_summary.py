import subprocess
import sys

import pytest

from jaxdl.commands.summary import main
from tests.commands.short_run import ROOT


def test_the_table_has_every_layer_and_the_totals(capsys):
    assert main(["cifar_cnn", "--num-classes", "10"]) == 0
    out = capsys.readouterr().out
    assert "one image of 32 x 32 pixels" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["Conv_0"][2:9] == ["32", "x", "32", "x", "32", "2,432", "2,457,600"]
    assert rows["total"][1:3] == ["145,578", "12,354,176"]
    assert "145,578 parameters; 0.012 billion" in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["quick_cnn"], "quick_cnn, 10 classes, one image of 32 x 32"),
        (["speed_cnn_muon"], "speed_cnn_muon, 10 classes, one image of 32 x 32"),
        (["resnet18", "--stem", "cifar"], "resnet18, 10 classes, one image of 32 x 32"),
        (["resnet18"], "resnet18, 1,000 classes, one image of 224 x 224"),
        (["cifar_cnn", "--num-classes", "100"], "cifar_cnn, 100 classes, one image of 32 x 32"),
        (["quick_cnn", "--num-classes", "1"], "quick_cnn, 1 class, "),
    ],
)
def test_classes_and_pixels_are_those_that_the_network_is_made_for(argv, says, capsys):
    assert main(argv) == 0
    assert says in capsys.readouterr().out


def test_depth_sums_stages_and_sizes_are_the_networks_own(capsys):
    assert main(["inception_v3", "--depth", "1"]) == 0
    out = capsys.readouterr().out
    assert "299 x 299" in out
    assert "27,161,264 parameters; 5.713 billion" in out
    assert len(out.splitlines()) < 30
    assert main(["resnet18", "--stem", "cifar", "--num-classes", "10", "--precision", "bf16"]) == 0
    out = capsys.readouterr().out
    assert "32 x 32 pixels" in out
    assert "11,173,962" in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "name a network"),
        (["resnet-18"], "Did you mean resnet18"),
        (["resnet18", "--dept", "1"], "Did you mean --depth"),
        (["resnet18", "--depth", "0"], "--depth must be at least 1"),
        (["vgg16", "--stem", "cifar"], "vgg16 has no stem to choose"),
        (["alexnet", "--image-size", "20"], "at least 63 pixels"),
        (["cifar_cnn", "--image-size", "64", "x"], "unexpected argument 'x'"),
    ],
)
def test_mistakes_end_with_status_2_and_a_line(argv, says, capsys):
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1


def test_a_reader_that_leaves_early_is_no_error():
    program = f"{sys.executable} -m jaxdl summary densenet121 | head -1"
    done = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("densenet121")
    assert done.stderr == ""
