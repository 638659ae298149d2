"""The command, run as its users run it: in this process, in processes of its own, and stopped by real signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.cifar import main
from experiments.config import Config
from jaxdl import models, optim
from jaxdl.checkpoint import Checkpoints
from jaxdl.train.state import create_state
from tests.data.test_sources import PREPARED, real_cifar10
from tests.report.tensorboard_events import scalars

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["--dataset", "digits", "--model", "cifar_cnn", "--recipe", "course", "--lr", "0.05", "--batch-size", "100",
         "--epochs", "3", "--crop-padding", "2"]  # 12 steps an epoch  # fmt: skip
STEPS = 36
SUMMARY = {
    "dataset", "dataset_source", "dataset_fingerprint", "model", "recipe", "parameters", "epochs", "steps",
    "test_examples", "test_accuracy", "test_loss", "best_val_accuracy", "train_seconds", "images_per_second",
    "device", "seed", "finished",
}  # fmt: skip


def command(*flags, out):
    return [sys.executable, "-m", "experiments.cifar", *flags, "--out", str(out)]


def records(out):
    """metrics.jsonl without what time changes."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines]


def final_state(out):
    config = Config(**json.loads((out / "config.json").read_text())["config"])
    optimizer = optim.create(
        config.optimizer,
        learning_rate=optim.schedule("constant", learning_rate=config.lr, steps=1),
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    like = create_state(models.create(config.model), optimizer, jax.random.key(9), jnp.zeros((4, 32, 32, 3)))
    with Checkpoints(out / "checkpoints") as checkpoints:
        return checkpoints.restore(like)[0]


def assert_same_run(out, reference):
    ours, theirs = final_state(out), final_state(reference)
    assert int(ours.step) == int(theirs.step)
    for a, b in ((ours.params, theirs.params), (ours.opt_state, theirs.opt_state)):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert records(out) == records(reference)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short run that nothing disturbed, made by a process of its own."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    done = subprocess.run(command(*SHORT, out=out), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out, done


def test_a_run_prints_a_header_lines_and_its_result(finished):
    _, done = finished
    for words in ("device   CPU", "dataset  digits: 1,294 images to train, 143 to validate, 360 to test",
                  "scikit-learn's bundled", "model    cifar_cnn, 145,578 parameters", "recipe   course: sgd",
                  "epoch 1/3  train loss", "epoch 3/3", "images/s", "test accuracy"):  # fmt: skip
        assert words in done.stdout
    assert "\r" not in done.stdout  # no progress bar where there is no terminal
    assert done.stderr == ""


def test_a_run_leaves_its_files(finished):
    out, _ = finished
    assert {path.name for path in out.iterdir()} == {
        "config.json", "metrics.jsonl", "summary.json", "checkpoints", "tensorboard",
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


def test_the_same_seed_gives_the_same_run_and_another_seed_another(finished, tmp_path):
    reference, _ = finished
    assert main([*SHORT, "--out", str(tmp_path / "again")]) == 0
    assert_same_run(tmp_path / "again", reference)
    assert main([*SHORT, "--seed", "1", "--steps", "12", "--out", str(tmp_path / "other")]) == 0
    assert records(tmp_path / "other")[1] != records(reference)[1]


@pytest.mark.parametrize("stop", [5, 12, 19])
def test_ended_by_steps_and_resumed_is_never_ended(finished, tmp_path, stop):
    reference, _ = finished
    out = tmp_path / "run"
    assert main([*SHORT, "--steps", str(stop), "--out", str(out)]) == 0
    assert int(final_state(out).step) == stop
    assert main(["--resume", "--out", str(out), "--steps", str(STEPS)]) == 0
    ours, theirs = final_state(out), final_state(reference)
    jax.tree.map(np.testing.assert_array_equal, ours.params, theirs.params)
    config = json.loads((out / "config.json").read_text())
    assert config["config"]["steps"] == STEPS  # what the next resumption goes by
    assert len(config["resumed_by"]) == 1


@pytest.mark.parametrize(
    ("number", "status", "after"), [(signal.SIGINT, 130, 3), (signal.SIGTERM, 143, 14), (signal.SIGKILL, -9, 20)]
)
def test_stopped_by_a_signal_and_resumed_is_never_stopped(finished, tmp_path, number, status, after):
    reference, _ = finished
    out = tmp_path / "run"
    # a step record appears at every checkpoint of one update; wait for it, then strike
    program = (
        "import sys, time; import experiments.cifar as cifar; fit = cifar.fit\n"
        "def slow(*args, on_step, **options):\n"
        "    def told(step, history):\n"
        "        on_step(step, history); print('at', step, flush=True); time.sleep(0.05)\n"
        "    return fit(*args, on_step=told, **options)\n"
        "cifar.fit = slow\n"
        "cifar.leave(cifar.main(sys.argv[1:]))\n"
    )
    flags = [*SHORT, "--checkpoint-every", "2", "--out", str(out)]
    run = subprocess.Popen(
        [sys.executable, "-c", program, *flags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in run.stdout:
        if line.strip() == f"at {after}":
            run.send_signal(number)
            break
    printed, errors = run.communicate(timeout=60)
    assert run.returncode == status, errors
    assert "Traceback" not in errors
    if number != signal.SIGKILL:
        assert f"python -m experiments.cifar --resume --out {out}" in printed
        assert not (out / "summary.json").exists()
    assert main(["--resume", "--out", str(out)]) == 0
    assert_same_run(out, reference)


@pytest.mark.parametrize("place", ["create_state", "channel_statistics", "measure"])
def test_a_signal_outside_the_steps_ends_cleanly(tmp_path, place):
    # "measure" stands for the test at the end: there the training is saved already
    target = "evaluate" if place == "measure" else place
    program = (
        f"import sys; import experiments.cifar as cifar; real = cifar.{target}\n"
        "def told(*args, **options):\n"
        "    print('here', flush=True); return real(*args, **options)\n"
        f"cifar.{target} = told\n"
        "cifar.leave(cifar.main(sys.argv[1:]))\n"
    )
    out = tmp_path / "run"
    flags = ["--dataset", "digits", "--steps", "2", "--val-size", "0", "--out", str(out)]
    run = subprocess.Popen(
        [sys.executable, "-c", program, *flags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in run.stdout:
        if line.strip() == "here":
            run.send_signal(signal.SIGTERM)
            break
    printed, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert "Traceback" not in errors
    if place == "measure":
        assert "all training is saved" in printed
        assert main(["--resume", "--out", str(out)]) == 0
    else:
        assert "Stopped by SIGTERM" in errors
        assert not out.exists()


def test_resuming_a_finished_run_only_tests_again(finished, tmp_path, capsys):
    out, _ = finished
    before = records(out)
    assert main(["--resume", "--out", str(out)]) == 0
    assert records(out) == before
    assert "resuming at step 36 of 36" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", ["7", "64", "359"])
def test_the_test_split_is_counted_once_at_any_batch_size(tmp_path, batch_size):
    out = tmp_path / "run"
    flags = ["--dataset", "digits", "--model", "cifar_cnn", "--recipe", "course", "--steps", "1"]
    assert main([*flags, "--batch-size", batch_size, "--out", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["test_examples"] == 360


def test_a_fallback_is_said_in_every_file(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    out = tmp_path / "run"
    flags = ["--offline", "--data-dir", str(tmp_path / "data"), "--model", "cifar_cnn", "--steps", "2"]
    assert main([*flags, "--out", str(out)]) == 0
    notice = "NOT CIFAR-10"
    assert capsys.readouterr().out.count(notice) == 2  # before and after
    for name in ("config.json", "summary.json", "metrics.jsonl"):
        assert notice in (out / name).read_text()
    assert json.loads((out / "summary.json").read_text())["dataset"] == "digits"
    notes = list((out / "checkpoints").glob("*/notes/metadata"))
    assert notes
    assert all(notice in path.read_text() for path in notes)
    assert any(notice.encode() in path.read_bytes() for path in (out / "tensorboard").iterdir())
    assert main(["--resume", "--out", str(out), "--steps", "3"]) == 0  # the same data is found again


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


def test_a_folder_of_pictures_trains(picture_folder, tmp_path):
    out = tmp_path / "run"
    flags = ["--dataset", "folder", "--data-dir", str(picture_folder), "--model", "cifar_cnn"]
    assert main([*flags, "--steps", "3", "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["dataset"], summary["test_examples"]) == ("folder", 6)


def test_training_without_validation_keeps_no_best(tmp_path):
    out = tmp_path / "run"
    assert main([*SHORT, "--val-size", "0", "--steps", "2", "--out", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["best_val_accuracy"] is None


def test_bf16_and_adamw_and_every_augmentation_train(tmp_path):
    flags = ["--dataset", "digits", "--steps", "3", "--precision", "bf16", "--optimizer", "adamw", "--lr", "0.01",
             "--cutout", "8", "--label-smoothing", "0.1", "--clip-norm", "1", "--flip"]  # fmt: skip
    assert main([*flags, "--out", str(tmp_path / "run")]) == 0


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--dataset", "digits", "--model", "cifar_cnn", "--recipe", "course", "--lr", "1e4"]
    assert main([*flags, "--checkpoint-every", "1", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "not finite" in error or "nan at step" in error or "inf at step" in error
    with Checkpoints(out / "checkpoints") as checkpoints:
        last = checkpoints.steps[-1]
    assert f"last good one: step {last}" in error
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(final_state(out).params))
    assert not (out / "summary.json").exists()


def test_mistakes_end_with_status_2_and_leave_nothing(tmp_path, capsys, picture_folder):
    out = str(tmp_path / "run")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "something").write_text("")
    broken = picture_folder / "train" / "ants" / "a.png"
    cases = {
        "Did you mean --recipe": ["--recip", "x"],
        "no prepared CIFAR-10": ["--data-dir", str(tmp_path / "data")],
        "not a folder": ["--dataset", "cifar10", "--data-dir", str(tmp_path / "absent")],
        "--dataset digits": ["--dataset", "cifar10", "--offline", "--data-dir", str(tmp_path / "empty")],
        "batch_size must be between": ["--dataset", "digits", "--batch-size", "5000"],
        "val_size must be": ["--dataset", "digits", "--val-size", "1436"],
        str(broken): ["--dataset", "folder", "--data-dir", str(picture_folder)],
    }
    (tmp_path / "empty").mkdir()
    broken.write_bytes(broken.read_bytes()[:100])
    for says, flags in cases.items():
        assert main([*flags, "--out", out]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.startswith("error: ")
        assert error.count("\n") <= 2
        assert not os.path.exists(out)


def test_an_existing_out_is_never_overwritten(finished, tmp_path, capsys):
    out, _ = finished
    before = (out / "summary.json").read_text()
    assert main([*SHORT, "--out", str(out)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert (out / "summary.json").read_text() == before
    (tmp_path / "empty").mkdir()
    assert main([*SHORT, "--out", str(tmp_path / "empty")]) == 2


def test_resume_refuses_what_would_be_another_run(finished, tmp_path, capsys):
    out, _ = finished
    cases = {
        "--resume needs --out": ["--resume"],
        "no run to resume": ["--resume", "--out", str(tmp_path)],
        "--model cifar_cnn, not resnet18": ["--resume", "--out", str(out), "--model", "resnet18"],
        "--seed 0, not 3": ["--resume", "--out", str(out), "--seed", "3"],
        "--recipe course, not quick": ["--resume", "--out", str(out), "--recipe", "quick"],
    }
    for says, flags in cases.items():
        assert main(flags) == 2
        assert says in capsys.readouterr().err


def test_runs_without_out_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda *_: "20260101-000000")
    for _ in range(2):
        assert main(["--dataset", "digits", "--model", "cifar_cnn", "--steps", "1"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "digits-quick-20260101-000000", "digits-quick-20260101-000000-2",
    ]  # fmt: skip


def test_a_terminal_gets_a_progress_bar(tmp_path):
    import pty
    import termios

    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 120))
    flags = command(*SHORT, "--steps", "13", out=tmp_path / "run")
    run = subprocess.Popen(flags, cwd=ROOT, stdout=slave, stderr=slave)
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
    assert b"left, loss" in shown
    assert b"images/s" in shown
