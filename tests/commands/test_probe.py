import json

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from jaxdl import transfer
from jaxdl.commands import probe
from jaxdl.data import sources
from tests.commands.short_run import ROOT


def network(weights):
    return ["--model", "cifar_cnn", "--pretrained", str(weights[0])]


def test_accuracies_are_those_of_the_features_of_the_pictures(weights, picture_folder, capsys):
    _, model, variables = weights
    assert probe.main([*network(weights), "--data-dir", str(picture_folder), "--k", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    data = sources.load("folder", picture_folder)
    features = transfer.classifier_input(model, np.zeros((1, 32, 32, 3), np.float32))
    train, test = (
        np.asarray(features.apply(variables, split.images / np.float32(255), train=False))
        for split in (data.train, data.test)
    )
    nearest = KNeighborsClassifier(1, metric="cosine").fit(train, data.train.labels)
    assert found["nearest"] == pytest.approx(np.mean(nearest.predict(test) == data.test.labels))
    assert (found["features"], found["train_pictures"], found["test_pictures"], found["k"]) == (64, 6, 6, 3)
    assert 0 <= found["linear"] <= 1
    assert found["linear_c"] > 0


def test_the_table_names_network_data_and_accuracies(weights, capsys):
    assert probe.main([*network(weights), "--dataset", "digits"]) == 0
    said = capsys.readouterr()
    assert "cifar_cnn: 64 features of an image; " in said.out
    assert "1,437 training pictures, 360 to test, 10 classes" in said.out
    lines = [line.split() for line in said.out.splitlines() if "%" in line]
    accuracies = [float(line[-1].rstrip("%")) for line in lines]
    assert len(accuracies) == 3
    assert min(accuracies) > 80  # of a network that has learnt nothing


@pytest.mark.long
def test_a_runs_features_are_probed_on_its_own_data(finished, capsys):
    assert probe.main([str(finished[0]), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"] == 10
    assert found["nearest"] > 0.5


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--model", "cifar_cnn"], "needs its weights"),
        ([], "name the folder of a run, or a network with --model"),
        (["--model", "cifar_cnn", "--pretrained", "README.md"], "name the folder of the pictures"),
        (["--model", "cifar_cnn", "--pretrained", "README.md", "--data-dir", "nowhere"], "nowhere is not a folder"),
        (["--k", "0", "runs/a"], "--k must be at least 1"),
        (["--dataset", "auto", "runs/a"], "unknown dataset 'auto'"),
    ],
)
def test_mistakes_end_with_status_2_and_a_line(argv, says, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert probe.main(argv) == 2
    assert says in capsys.readouterr().err
