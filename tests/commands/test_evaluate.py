"""Files written by evaluating a run hold its network's predictions, and scikit-learn's figures of them."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix

from jaxdl.commands.evaluate import main
from jaxdl.data import sources
from jaxdl.data.dataset import train_val_split
from tests.commands.short_run import records

FILES = {"evaluation.json", "predictions.csv", "report.html"}


def lines_of(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_finished_run_holds_the_figures_of_its_test(finished):
    out, _ = finished
    evaluation, summary = (json.loads((out / name).read_text()) for name in ("evaluation.json", "summary.json"))
    assert (evaluation["split"], evaluation["examples"], evaluation["step"]) == ("test", 360, 36)
    assert evaluation["top1"] == summary["test_accuracy"]
    assert evaluation["loss"] == summary["test_loss"]
    test = sources.load("digits").test
    assert [sum(row) for row in evaluation["confusion"]] == np.bincount(test.labels).tolist()
    lines = lines_of(out)
    predicted = [int(line["predicted"]) for line in lines]
    assert [int(line["true"]) for line in lines] == test.labels.tolist()
    assert accuracy_score(test.labels, predicted) == evaluation["top1"]
    assert confusion_matrix(test.labels, predicted).tolist() == evaluation["confusion"]
    assert (out / "report.html").stat().st_size > 50_000


@pytest.mark.long
def test_evaluating_it_again_gives_the_same_and_changes_nothing(finished, tmp_path, capsys):
    run, _ = finished
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    assert main([str(run), "--out", str(tmp_path / "again")]) == 0
    printed = capsys.readouterr().out
    assert {path.name for path in (tmp_path / "again").iterdir()} == FILES
    first, again = (json.loads((folder / "evaluation.json").read_text()) for folder in (run, tmp_path / "again"))
    assert again["confusion"] == first["confusion"]
    assert again["loss"] == pytest.approx(first["loss"], rel=1e-6)
    assert f"accuracy {first['top1']:.2%}" in printed
    assert "macro average" in printed
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}


@pytest.mark.long
@pytest.mark.parametrize("split", ["val", "train"])
def test_other_splits_are_those_of_the_run(finished, tmp_path, split):
    run, _ = finished
    assert main([str(run), "--split", split, "--out", str(tmp_path / "out")]) == 0
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    train, val = train_val_split(sources.load("digits").train, val_size=143, seed=0)
    chosen = {"train": train, "val": val}[split]
    assert [int(line["true"]) for line in lines_of(tmp_path / "out")] == chosen.labels.tolist()
    if split == "val":
        last = [record for record in records(run) if record["kind"] == "epoch"][-1]
        assert evaluation["top1"] == pytest.approx(last["val_accuracy"], abs=1e-7)
        assert evaluation["loss"] == pytest.approx(last["val_loss"], rel=1e-5)


def test_a_folder_of_pictures_predicts_as_the_split_that_they_are_from(finished, tmp_path):
    run, _ = finished
    test = sources.load("digits").test
    for row in range(12):
        folder = tmp_path / "pictures" / str(test.labels[row])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(test.images[row]).save(folder / f"{row}.png")
    assert main([str(run), "--pictures", str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]) == 0
    theirs = lines_of(run)
    lines = lines_of(tmp_path / "out")
    assert len(lines) == 12
    for line in lines:
        row = int(line["file"].split("/")[1].removesuffix(".png"))
        assert line["predicted"] == theirs[row]["predicted"]
        assert float(line["probability"]) == pytest.approx(float(theirs[row]["probability"]), rel=1e-4)


@pytest.mark.slow
def test_views_average_logits(finished, tmp_path):
    run, _ = finished
    for views in ("one", "mirror", "mirror-shift"):
        assert main([str(run), "--views", views, "--out", str(tmp_path / views)]) == 0
    losses = {name: json.loads((tmp_path / name / "evaluation.json").read_text())["loss"] for name in ("one", "mirror")}
    assert losses["mirror"] != losses["one"]
    assert json.loads((tmp_path / "mirror" / "evaluation.json").read_text())["views"] == "mirror"


def test_the_default_folder_is_in_the_run_and_never_the_same(finished, capsys):
    run, _ = finished
    assert main([str(run)]) == 0
    (made,) = (run / "evaluations").iterdir()
    assert {path.name for path in made.iterdir()} == FILES
    for path in made.iterdir():
        path.unlink()
    made.rmdir()
    (run / "evaluations").rmdir()


def test_names_that_are_no_utf8_are_shown_escaped_in_all_that_is_written(finished, tmp_path, capsys):
    run, _ = finished
    folder = os.path.join(os.fsencode(tmp_path), b"pictures", b"3")
    os.makedirs(folder)
    with open(os.path.join(folder, b"caf\xe9.png"), "wb") as file:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "PNG")
    out = tmp_path / "out"
    assert main([str(run), "--pictures", str(tmp_path / "pictures"), "--out", str(out)]) == 0
    assert "3/caf\\xe9.png" in (out / "predictions.csv").read_text(encoding="utf-8")
    assert (out / "report.html").read_text(encoding="utf-8")


def test_mistakes_end_with_status_2_and_a_line(finished, tmp_path, capsys):
    run, _ = finished
    (tmp_path / "strange" / "zebra").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for argv, says in (
        ([str(tmp_path / "absent")], "there is no run in"),
        ([str(run), "--out", str(tmp_path)], "nothing is overwritten"),
        ([str(run), "--split", "tset"], "test"),
        ([str(run), "--pictures", str(tmp_path / "strange")], "the class zebra, which is none of the network's"),
        ([str(run), "--pictures", str(tmp_path / "empty")], "holds no folder"),
        ([str(run), "--pictures", str(tmp_path), "--split", "val"], "give one"),
        ([], "name the folder of a run"),
    ):
        assert main([*argv, *([] if "--out" in argv else ["--out", str(tmp_path / "out")])]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
