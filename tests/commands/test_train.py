"""The command, run as its users run it: what it prints, what it leaves, what it trains on."""

import io
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jaxdl.commands.train import main
from tests.commands.short_run import ROOT, SHORT, STEPS, assert_same_run, command, final_state, records
from tests.data.test_sources import PREPARED, real_cifar10
from tests.report.tensorboard_events import scalars

SUMMARY = {
    "dataset", "dataset_source", "dataset_fingerprint", "model", "recipe", "parameters", "epochs", "steps",
    "test_examples", "test_accuracy", "test_loss", "best_val_accuracy", "train_seconds", "images_per_second",
    "device", "seed", "finished",
}  # fmt: skip


def test_a_run_prints_a_header_lines_and_its_result(finished):
    _, printed = finished
    for words in ("device   CPU", "dataset  digits: 1,294 images to train, 143 to validate, 360 to test",
                  "scikit-learn's bundled", "model    cifar_cnn, 145,578 parameters", "recipe   course: sgd",
                  "epoch 1/3  train loss", "epoch 3/3", "images/s", "test accuracy",
                  "underfitting: ", "report.html"):  # fmt: skip
        assert words in printed
    assert "\r" not in printed  # no progress bar where there is no terminal


def test_a_run_leaves_its_files(finished):
    out, _ = finished
    assert {path.name for path in out.iterdir()} == {
        "config.json", "metrics.jsonl", "summary.json", "checkpoints", "tensorboard",
        "evaluation.json", "predictions.csv", "report.html",
    }  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) >= SUMMARY
    assert (summary["steps"], summary["epochs"], summary["test_examples"]) == (STEPS, 3, 360)
    assert summary["test_accuracy"] > 0.5
    config = json.loads((out / "config.json").read_text())
    assert config["config"]["batch_size"] == 100
    assert config["command"].startswith("python -m experiments.cifar --dataset digits")


def test_tensorboard_reads_the_same_curves(finished):
    out, _ = finished
    found = scalars(out / "tensorboard")
    epochs = [record for record in records(out) if record["kind"] == "epoch"]
    assert found["epoch/val_accuracy"] == {each["step"]: pytest.approx(each["val_accuracy"]) for each in epochs}
    assert {"epoch/train_loss", "epoch/learning_rate", "epoch/train_grad_norm", "epoch/images_per_second"} <= set(found)


def test_tensorboard_reads_pictures_histograms_settings_and_the_graph(finished):
    out, _ = finished
    found = EventAccumulator(str(out / "tensorboard"), size_guidance={"images": 0, "histograms": 0}).Reload()
    tags = found.Tags()
    assert {"augmented_batch", "mistakes", "confusion_matrix", "inputs_beside_outputs/Conv_0"} <= set(tags["images"])
    for tag in tags["images"]:
        (image,) = found.Images(tag)
        assert image.step == STEPS
        assert np.asarray(Image.open(io.BytesIO(image.encoded_image_string))).std() > 5
    assert {"parameters/Conv_0.kernel", "gradients/Dense_1.bias"} <= set(tags["distributions"])
    kernels = found.Histograms("parameters/Conv_0.kernel")
    assert [each.step for each in kernels] == [12, 24, 36]
    state = final_state(out)
    assert kernels[-1].histogram_value.num == state.params["Conv_0"]["kernel"].size
    assert kernels[-1].histogram_value.sum == pytest.approx(float(state.params["Conv_0"]["kernel"].sum()), abs=1e-3)
    assert tags["graph"]
    settings = EventAccumulator(str(out / "tensorboard" / "hyperparameters")).Reload()
    assert "test_accuracy" in settings.Tags()["scalars"]


def test_records_hold_each_layers_gradient(finished):
    out, _ = finished
    first, *_, last = records(out)[:-1]
    assert first["groups"] == ["Conv_0", "Conv_1", "Conv_2", "Dense_0", "Dense_1"]
    norms = [last[f"train_grad_norm/{group}"] for group in first["groups"]]
    assert all(0 < norm < last["train_grad_norm"] for norm in norms)
    assert all(last[f"train_no_gradient/{group}"] == 0 for group in first["groups"])


@pytest.mark.slow
def test_without_a_report_only_the_diagnosis_is_given(tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*SHORT, "--steps", "12", "--out", str(out)]) == 0
    assert "not converging: " in capsys.readouterr().out
    assert not list(out.glob("*.html")) + list(out.glob("*.csv"))


@pytest.mark.long
def test_checks_before_training_say_ok_and_train_nothing(tmp_path, capsys):
    flags = ["--dataset", "digits", "--model", "cifar_cnn", "--check"]
    assert main([*flags, "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    lines = [line for line in lines if not line.startswith("  ")]  # a slow machine's signs of life
    assert [line.split()[:2] for line in lines] == [
        ["ok", "labels"], ["ok", "test"], ["ok", "inputs"], ["ok", "first"], ["ok", "one"],
    ]  # fmt: skip
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_check_that_fails_is_seen_in_the_exit_status(tmp_path, capsys):
    """Of a network whose trained layers cannot learn: all that is left to train is one layer's bias."""
    flags = ["--dataset", "digits", "--model", "cifar_cnn", "--freeze", "*,!Dense_1.bias", "--check"]
    assert main(flags) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("LOOK  one batch")


@pytest.mark.long
def test_the_same_seed_gives_the_same_run_and_another_seed_another(finished, tmp_path):
    reference, _ = finished
    assert main([*SHORT, "--out", str(tmp_path / "again")]) == 0
    assert_same_run(tmp_path / "again", reference)
    assert main([*SHORT, "--seed", "1", "--steps", "12", "--out", str(tmp_path / "other")]) == 0
    assert records(tmp_path / "other")[1] != records(reference)[1]


@pytest.mark.long
@pytest.mark.parametrize("batch_size", ["7", "359"])
def test_the_test_split_is_counted_once_at_any_batch_size(tmp_path, batch_size):
    out = tmp_path / "run"
    flags = ["--dataset", "digits", "--model", "cifar_cnn", "--recipe", "course", "--steps", "1"]
    assert main([*flags, "--batch-size", batch_size, "--out", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["test_examples"] == 360


@pytest.mark.long
def test_a_fallback_is_said_in_every_file(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    out = tmp_path / "run"
    flags = ["--offline", "--data-dir", str(tmp_path / "data"), "--model", "cifar_cnn", "--steps", "2"]
    assert main([*flags, "--out", str(out)]) == 0
    notice = "NOT CIFAR-10"
    printed = capsys.readouterr().out
    assert printed.count(notice) == 2  # before and after
    assert "Use --data-dir for data already prepared, --dataset folder for your own pictures" in printed
    for name in ("config.json", "summary.json", "metrics.jsonl", "evaluation.json", "report.html"):
        assert notice in (out / name).read_text()
    assert json.loads((out / "summary.json").read_text())["dataset"] == "digits"
    notes = list((out / "checkpoints").glob("*/notes/metadata"))
    assert notes
    assert all(notice in path.read_text() for path in notes)
    assert any(notice.encode() in path.read_bytes() for path in (out / "tensorboard").glob("events*"))
    assert main(["--resume", "--out", str(out), "--steps", "3"]) == 0  # the same data is found again


@pytest.mark.slow
@real_cifar10
def test_the_second_start_trains_on_cifar10_without_tensorflow(tmp_path):
    program = (
        "import sys; from experiments.cifar import main; status = main(sys.argv[1:]); "
        "print(status, [name for name in sys.modules if name.startswith('tensorflow')])"
    )
    for start in ("first", "second"):
        flags = ["--data-dir", str(PREPARED), "--steps", "2", "--out", str(tmp_path / start)]
        done = subprocess.run([sys.executable, "-c", program, *flags], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0 []"
    summary = json.loads((tmp_path / "second" / "summary.json").read_text())
    assert (summary["dataset"], summary["test_examples"]) == ("cifar10", 10_000)
    assert records(tmp_path / "first") == records(tmp_path / "second")


@pytest.mark.long
def test_a_folder_of_pictures_trains(picture_folder, tmp_path):
    out = tmp_path / "run"
    flags = ["--dataset", "folder", "--data-dir", str(picture_folder), "--model", "cifar_cnn"]
    assert main([*flags, "--steps", "3", "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["dataset"], summary["test_examples"]) == ("folder", 6)


@pytest.mark.long
def test_training_without_validation_keeps_no_best(tmp_path):
    out = tmp_path / "run"
    assert main([*SHORT, "--val-size", "0", "--steps", "2", "--out", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["best_val_accuracy"] is None


@pytest.mark.slow
def test_bf16_and_adamw_and_every_augmentation_train(tmp_path):
    flags = ["--dataset", "digits", "--steps", "3", "--precision", "bf16", "--optimizer", "adamw", "--lr", "0.01",
             "--cutout", "8", "--label-smoothing", "0.1", "--clip-norm", "1", "--flip"]  # fmt: skip
    assert main([*flags, "--out", str(tmp_path / "run")]) == 0


@pytest.mark.slow
def test_runs_without_out_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda *_: "20260101-000000")
    for _ in range(2):
        assert main(["--dataset", "digits", "--model", "cifar_cnn", "--steps", "1"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "digits-quick-20260101-000000", "digits-quick-20260101-000000-2",
    ]  # fmt: skip


@pytest.mark.long
def test_a_terminal_gets_a_progress_bar(tmp_path):
    import pty
    import termios

    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 120))
    flags = command(*SHORT, "--steps", "13", out=tmp_path / "run")
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # goes before the terminal
    run = subprocess.Popen(flags, cwd=ROOT, env=environment, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert run.wait() == 0
    assert b"/13 steps" in shown
    assert b"left, epoch" in shown
    assert b"images/s" in shown


@pytest.mark.slow
def test_a_run_within_a_budget_is_that_of_the_epochs_it_tells(tmp_path):
    def run(*flags, out):
        words = ["--dataset", "digits", "--model", "cifar_cnn", "--lr", "0.01", "--no-report", *flags]
        return subprocess.run(command(*words, out=out), cwd=ROOT, capture_output=True, text=True, check=True).stdout

    said = run("--budget", "40s", out=tmp_path / "budget")
    flags = re.search(r"budget   40s: .*\n .* the same run: (.*)\n", said)[1].split()
    assert flags[::2] == ["--epochs", "--warmup-epochs"]
    run(*flags, out=tmp_path / "epochs")
    assert_same_run(tmp_path / "budget", tmp_path / "epochs")
    assert json.loads((tmp_path / "budget/config.json").read_text())["config"]["epochs"] == float(flags[1])
