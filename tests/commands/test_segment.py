"""``jaxdl segment``: what a run prints and leaves, that it resumes, and what the other commands make of it."""

import csv
import json
import re
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score

from jaxdl import models
from jaxdl.checkpoint import Checkpoints
from jaxdl.commands import compare, diagnose, evaluate, export, predict, segment
from jaxdl.data import mask_folder
from jaxdl.data.pictures import open_mask, open_picture
from jaxdl.run import finished_run
from jaxdl.run.optimization import optimizer_of, schedule_of
from jaxdl.run.recorded import config_of
from jaxdl.saved_model import load_model
from jaxdl.train.state import create_state
from jaxdl.transfer import safetensors
from jaxdl.transfer.conversion import layout, to_pytorch
from tests.commands import street
from tests.commands.short_run import ROOT, records
from tests.commands.street import CLASSES, SHORT, SIZE, STEPS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return street.write(tmp_path_factory.mktemp("data") / "street", train=24, val=4, test=6)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run with its report, made once by a process of its own; and what that printed."""
    out = tmp_path_factory.mktemp("runs") / "street"
    flags = [*SHORT, "--report", "--data-dir", str(data), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.camvid", *flags], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return out, done.stdout


def state_of(out):
    record = json.loads((out / "config.json").read_text())
    config = config_of(record, str(out))
    model = models.create(config.model, num_classes=3, width=config.width)
    optimizer = optimizer_of(config, schedule_of(config, 1))
    like = create_state(model, optimizer, jax.random.key(9), jnp.zeros((1, *SIZE, 3)))
    with Checkpoints(out / "checkpoints") as checkpoints:
        return checkpoints.restore(like)[0]


def answered(main, *argv, capsys):
    """Status, and what was printed on either stream."""
    status = main(list(map(str, argv)))
    return status, *capsys.readouterr()


def test_a_run_learns_and_says_so_in_mean_iou(trained):
    out, printed = trained
    for words in ("dataset  street: 24 images to train, 4 to validate, 6 to test", "model    unet, 48", "epoch 10/10",
                  "mean IoU", "test mean IoU", "report.html"):  # fmt: skip
        assert words in printed
    summary = json.loads((out / "summary.json").read_text())
    assert summary["test_mean_iou"] > 0.7
    assert summary["best_val_mean_iou"] == max(each["val_mean_iou"] for each in epochs(out))
    assert {f"val_iou/{name}" for name in CLASSES} <= set(epochs(out)[-1])


def epochs(out):
    return [each for each in records(out) if each["kind"] == "epoch"]


def test_figures_of_the_test_are_scikit_learns(data, trained):
    out, _ = trained
    run, test = finished_run.load(str(out)), mask_folder.load(data).test
    predicted = run.task.review().evaluated(run, test, None).predicted
    counted = test.labels != 255
    each = jaccard_score(test.labels[counted], predicted[counted], labels=range(3), average=None)
    found = json.loads((out / "evaluation.json").read_text())
    np.testing.assert_allclose([found["iou"][name] for name in CLASSES], each, rtol=1e-6)
    assert found["mean_iou"] == pytest.approx(each.mean())
    assert found["accuracy"] == pytest.approx((test.labels == predicted)[counted].mean())
    assert json.loads((out / "summary.json").read_text())["test_mean_iou"] == pytest.approx(each.mean())
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == [f"test/images/{number:02}.png" for number in range(6)]
    one = jaccard_score(test.labels[2][counted[2]], predicted[2][counted[2]], average="macro")
    assert float(rows[2]["mean_iou"]) == pytest.approx(one, rel=1e-5)


@pytest.mark.long
def test_ended_by_steps_and_resumed_is_never_ended(data, trained, tmp_path):
    out = tmp_path / "run"
    assert segment.main([*SHORT, "--data-dir", str(data), "--steps", "18", "--out", str(out)]) == 0
    assert segment.main(["--resume", "--out", str(out), "--steps", str(STEPS)]) == 0
    ours, theirs = state_of(out), state_of(trained[0])
    assert int(ours.step) == STEPS
    for a, b in ((ours.params, theirs.params), (ours.opt_state, theirs.opt_state)):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert epochs(out)[-1] == epochs(trained[0])[-1]


@pytest.mark.slow
def test_streamed_it_is_the_same_run(data, trained, tmp_path):
    out = tmp_path / "run"
    assert segment.main([*SHORT, "--data-dir", str(data), "--stream", "--steps", "8", "--out", str(out)]) == 0
    assert epochs(out)[-1] == epochs(trained[0])[1]


@pytest.mark.slow
def test_eight_devices_train_as_one(data, trained, tmp_path):
    out = tmp_path / "run"
    assert segment.main([*SHORT, "--data-dir", str(data), "--parallel", "mesh", "--out", str(out)]) == 0
    for one, other in zip(epochs(out), epochs(trained[0]), strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-2)
        assert one["val_mean_iou"] == pytest.approx(other["val_mean_iou"], abs=0.02)


def test_evaluate_writes_figures_of_another_folder(data, trained, tmp_path, capsys):
    out = tmp_path / "found"
    status, printed, _ = answered(evaluate.main, trained[0], "--pictures", data / "val", "--out", out, capsys=capsys)
    assert status == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert found["mean_iou"] == pytest.approx(epochs(trained[0])[-1]["val_mean_iou"], abs=1e-6)
    assert f"mean IoU {found['mean_iou']:.2%}" in printed
    assert "<title>street</title>" in (out / "report.html").read_text()


def test_predict_gives_the_masks_that_evaluate_counts(data, trained, tmp_path):
    run, test = finished_run.load(str(trained[0])), mask_folder.load(data).test
    counted = run.task.review().evaluated(run, test, None).predicted
    out = tmp_path / "masks"
    assert predict.main([str(trained[0]), str(data / "test" / "images"), "--out", str(out)]) == 0
    found = np.stack([open_mask(out / f"{number:02}-mask.png") for number in range(len(test))])
    assert (found == counted).mean() > 0.9999  # convolutions of one picture round otherwise than those of six


def test_predict_leaves_no_folder_where_it_writes_nothing(trained, tmp_path, capsys):
    (tmp_path / "no.png").write_text("no picture")
    status, _, _ = answered(predict.main, trained[0], tmp_path / "no.png", "--out", tmp_path / "out", capsys=capsys)
    assert (status, (tmp_path / "out").exists()) == (2, False)


def test_predict_leaves_a_mask_and_an_overlay_of_a_picture_of_any_size(data, trained, tmp_path, capsys):
    picture = tmp_path / "wide.png"
    with Image.open(data / "test" / "images" / "00.png") as image:
        image.resize((130, 50)).save(picture)
    (tmp_path / "no.png").write_text("no picture")
    out = tmp_path / "masks"
    status, printed, errors = answered(
        predict.main, trained[0], picture, tmp_path / "no.png", "--json", "--out", out, capsys=capsys
    )
    assert (status, errors.count("\n")) == (2, 1)
    answer, refused = json.loads(printed)
    assert "error" in refused
    mask = open_mask(out / "wide-mask.png")
    shares = {each["class"]: each["share"] for each in answer["predictions"]}
    assert shares == pytest.approx({CLASSES[label]: (mask == label).mean() for label in np.unique(mask)})
    assert mask.shape == (50, 130) == open_picture(out / "wide-overlay.png", None).shape[:2]
    assert answer["written"] == [str(out / "wide-mask.png"), str(out / "wide-overlay.png")]


def test_export_is_the_same_network_again(trained, tmp_path):
    out = tmp_path / "export"
    assert export.main([str(trained[0]), "--out", str(out), "--platforms", "cpu"]) == 0
    saved, run = load_model(out), finished_run.load(str(trained[0]))
    images = np.random.default_rng(0).normal(size=(1, *SIZE, 3)).astype(np.float32)
    ours, theirs = (each.model.apply(each.variables, images, train=False) for each in (saved, run))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_compare_and_diagnose_know_such_a_run(trained, tmp_path, capsys):
    other, page = tmp_path / "copy", tmp_path / "page.html"
    shutil.copytree(trained[0], other)
    status, printed, _ = answered(compare.main, trained[0], other, "--out", page, capsys=capsys)
    assert status == 0
    reached = json.loads((other / "summary.json").read_text())["test_mean_iou"]
    assert re.search(rf"Test mean IoU +{reached:.2%} +{reached:.2%}", printed)
    assert "IoU class by class" in page.read_text()
    status, printed, _ = answered(diagnose.main, other, capsys=capsys)
    assert (status, bool(printed)) == (0, True)
    assert not re.search(r"--(mixup|cutmix|cutout|crop-padding|model)", printed)  # which it has not


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--data-dir is not given"),
        (["--data-dir", "{tmp}"], "is no dataset with masks"),
        (["--data-dir", "{data}", "--backbone", "resnet18"], "--backbone is not for unet"),
        (["--data-dir", "{data}", "--crop-size", "32y40"], "--crop-size must be HEIGHTxWIDTH"),
        (["--data-dir", "{data}", "--class-weights", "1,2"], "has 2 numbers; the data has 3 classes"),
        (["--data-dir", "{data}", "--loss", "dice", "--label-smoothing", "0.1"], "knows no label smoothing"),
        (["--data-dir", "{data}", "--val-size", "3"], "val/ holds the pictures that validate"),
        (["--mixup", "0.2"], "--mixup is not for python -m jaxdl segment: leave it out"),
        (["--min-scale", "3"], "is more than --max-scale"),
        (["--min-scale", "1e-9"], "--min-scale must be at least 0.1"),
    ],
)
def test_a_mistake_costs_a_line_and_status_2(data, tmp_path, capsys, flags, words):
    filled = [flag.format(tmp=tmp_path, data=data) for flag in flags]
    status, _, errors = answered(segment.main, *SHORT, *filled, "--out", tmp_path / "run", capsys=capsys)
    assert status == 2
    assert words in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_classifiers_weights_begin_the_backbone(data, tmp_path, capsys):
    network = models.create("mobilenet_v2", num_classes=4)
    variables = jax.jit(lambda: network.init(jax.random.key(3), np.zeros((1, 32, 32, 3), np.float32), train=False))()
    arrays = to_pytorch(variables, **layout(network))
    path, out = tmp_path / "backbone.safetensors", tmp_path / "run"
    safetensors.write(path, arrays)
    flags = ["--model", "lraspp", "--backbone", "mobilenet_v2", "--output-stride", "32", "--freeze", "backbone"]
    flags = [*SHORT[:2], *flags, *SHORT[6:], "--steps", "1", "--pretrained", path, "--data-dir", data, "--out", out]
    status, printed, _ = answered(segment.main, *flags, capsys=capsys)
    assert status == 0
    assert "the backbone begins with them" in printed
    run = finished_run.load(str(out))
    held = to_pytorch(run.variables, **layout(run.model))
    name = "backbone.0.0.weight"
    np.testing.assert_array_equal(held[name], arrays["features.0.0.weight"])
