"""Runs that are killed, that have no room to write, that are started twice, or whose numbers run away."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from jaxdl import losses
from jaxdl.checkpoint.manifest import NOTES
from jaxdl.commands import train
from jaxdl.commands.train import main
from jaxdl.run import evaluating, process
from jaxdl.run.classification import CLASSIFICATION
from jaxdl.train.interrupt import Interruptible
from tests.commands.short_run import ROOT, SHORT, STEPS, assert_same_run, command, final_state, records
from tests.power_cut import Watch

OFTEN = [*(flag for flag in SHORT if flag != "--no-report"), "--checkpoint-every", "1"]
PHASES = ("epoch 1/", "epoch 2/", "epoch 3/", "testing on", "report")


def killed_when_it_says(phrase, out, wait):
    """Starts or resumes the run, and kills it so many seconds after it has printed a line that begins with ``phrase``.

    What it says, rather than a clock, so that every phase is met on a busy machine too.
    """
    flags = ["--resume"] if out.exists() else OFTEN
    with subprocess.Popen(
        command(*flags, out=out), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        for line in run.stdout:
            if line.startswith(phrase):
                time.sleep(wait)
                run.kill()
                run.communicate()
                return
        raise AssertionError(f"it ended without {phrase!r}: {run.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, 6])
def test_killed_in_each_of_its_phases_it_ends_as_if_it_had_never_been(finished, tmp_path, runs):
    moments = random.Random(runs)
    for number in range(runs):
        out = tmp_path / f"run{number}"
        for phrase in PHASES:
            killed_when_it_says(phrase, out, wait=moments.choice([0, moments.uniform(0, 0.3)]))
        done = subprocess.run(command("--resume", out=out), cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert_same_run(out, finished[0])
        assert (out / "predictions.csv").read_bytes() == (finished[0] / "predictions.csv").read_bytes()
        figures, expected = (json.loads((each / "evaluation.json").read_text()) for each in (out, finished[0]))
        assert {**figures, "command": ""} == {**expected, "command": ""}
        assert (out / "report.html").read_text().rstrip().endswith("</html>")
        assert json.loads((out / "summary.json").read_text())["steps"] == STEPS
        assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in finished[0].iterdir())


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_starts_again(finished, tmp_path):
    out = tmp_path / "run"
    assert main([*SHORT, "--steps", "2", "--out", str(out)]) == 0
    shutil.rmtree(out / "checkpoints")
    assert main(["--resume", "--steps", str(STEPS), "--out", str(out)]) == 0
    assert_same_run(out, finished[0])


@pytest.mark.long
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(finished, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    newest = out / "checkpoints" / str(STEPS)
    largest = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])
    assert main(["--resume", "--out", str(out)]) == 0
    printed, errors = capsys.readouterr()
    assert f"checkpoint {newest} is damaged" in errors
    assert "resuming at step 24 of 36" in printed
    assert_same_run(out, finished[0])


def run_without_room(size, *flags, out):
    """The command in a process that, from the first step on, can write no file beyond so many bytes."""
    program = (
        "import resource, signal, sys; from jaxdl.commands import train; from jaxdl.run import story; fit = story.fit\n"
        "def cramped(*args, **options):\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "    return fit(*args, **options)\n"
        "story.fit = cramped\n"
        "from jaxdl.train.interrupt import leave; leave(train.main(sys.argv[1:]))\n"
    )
    arguments = [sys.executable, "-c", program, *flags, "--out", str(out)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.long
def test_a_full_disk_is_told_and_training_goes_on(tmp_path):
    out = tmp_path / "run"
    done = run_without_room(60_000, *SHORT, out=out)
    assert done.returncode == 2
    assert "the checkpoint of step 12 could not be saved (File too large)" in done.stderr
    assert "epoch 3/3" in done.stdout
    assert "error: the checkpoint of step 36 could not be saved; there is none. Make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert main(["--resume", "--out", str(out)]) == 0
    assert int(final_state(out).step) == STEPS


@pytest.mark.long
def test_no_room_for_the_log_stops_the_run_with_a_line(tmp_path):
    out = tmp_path / "run"
    done = run_without_room(400, *SHORT, out=out)
    assert done.returncode == 2
    assert f"error: cannot write {out}/metrics.jsonl (File too large); training has stopped" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_what_a_checkpoint_counts_on_is_on_the_disk_before_it(tmp_path, monkeypatch):
    out, counted = tmp_path / "run", []

    def on_rename(source, target):
        if target.parent.name == "checkpoints":
            notes = json.loads((source / NOTES).read_text())
            counted.append((notes["log_size"], watch.size(out / "metrics.jsonl"), watch.size(out / "config.json")))

    watch = Watch(monkeypatch, on_rename)
    assert main([*SHORT, "--epochs", "2", "--report", "--out", str(out)]) == 0
    assert len(counted) == 2
    for said, on_disk, config in counted:
        assert 0 < said <= on_disk
        assert config == (out / "config.json").stat().st_size
    assert watch.unflushed == []
    whole = {"config.json", "summary.json", "evaluation.json", "predictions.csv", "report.html"}
    assert whole - {"config.json"} <= {path.name for path in watch.renamed}
    assert {path.name for path in out.iterdir() if path.is_file()} == {*whole, "metrics.jsonl"}


@pytest.mark.long
def test_a_log_that_lost_its_end_is_told_and_the_run_goes_on(finished, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    path = out / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    assert main(["--resume", "--epochs", "4", "--out", str(out)]) == 0
    assert f"warning: {path} lacks" in capsys.readouterr().err
    assert [(record["kind"], record.get("step")) for record in records(out)] == [
        ("run", None), ("epoch", 12), ("epoch", 48), ("test", 48),
    ]  # fmt: skip
    path.write_bytes(b"")
    assert main(["--resume", "--epochs", "5", "--out", str(out)]) == 0
    assert [record["kind"] for record in records(out)] == ["run", "epoch", "test"]


@pytest.mark.long
def test_a_second_process_on_the_same_folder_is_refused(tmp_path):
    out = tmp_path / "run"
    with subprocess.Popen(
        command(*SHORT, "--epochs", "10000", out=out), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as first:
        while not (out / "checkpoints").exists():
            assert first.poll() is None
            time.sleep(0.05)
        second = subprocess.run(command("--resume", out=out), cwd=ROOT, capture_output=True, text=True)
        first.kill()
    assert second.returncode == 2
    assert second.stderr == f"error: another process is training in {out}. Wait for it, or name another --out.\n"
    assert main(["--resume", "--epochs", "1", "--out", str(out)]) == 0


@pytest.mark.long
def test_a_signal_during_validation_leaves_it_to_the_resumed_run(finished, tmp_path, monkeypatch, capsys):
    out, real, interrupt = tmp_path / "run", evaluating.evaluate, Interruptible()

    def struck(*args, should_stop, **options):
        interrupt.requested = signal.SIGTERM
        return real(*args, should_stop=should_stop, **options)

    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "evaluate", struck)
        patch.setattr(process, "Interruptible", lambda: interrupt)
        assert main([*SHORT, "--out", str(out)]) == 143
    assert "Stopped at step 12 of 36 and saved" in capsys.readouterr().out
    assert [record["kind"] for record in records(out)] == ["run"]
    assert main(["--resume", "--out", str(out)]) == 0
    assert_same_run(out, finished[0])


@pytest.mark.long
def test_updates_that_are_not_finite_are_left_out_and_counted(tmp_path, capsys):
    def sometimes_nan(logits, labels):  # where the first label of a batch is 3
        return losses.cross_entropy(logits, labels) * jax.numpy.where(labels[0] == 3, jax.numpy.nan, 1.0)

    out, task = tmp_path / "run", CLASSIFICATION._replace(loss=lambda config: sometimes_nan)
    flags = ["--val-size", "0", "--epochs", "1", "--on-nan", "skip", "--out", str(out)]
    assert train.main([*SHORT, *flags], task=task) in (0, 2)
    [epoch] = [record for record in records(out) if record["kind"] == "epoch"]
    assert 0 < epoch["skipped_updates"] < epoch["step"]
    assert f"{epoch['skipped_updates']} updates skipped" in capsys.readouterr().out
    assert np.isfinite(epoch["train_loss"])
    state = final_state(out)
    assert int(state.step) == epoch["step"]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


@pytest.mark.slow
def test_a_picture_that_cannot_be_read_ends_a_streamed_run_with_a_line(picture_folder, tmp_path):
    out = tmp_path / "run"
    flags = ["--dataset", "folder", "--data-dir", str(picture_folder), "--stream", "--model", "cifar_cnn",
             "--val-size", "0", "--batch-size", "2", "--epochs", "2", "--normalize", "none"]  # fmt: skip
    assert main([*flags, "--out", str(out)]) == 0
    assert json.loads((out / "config.json").read_text())["config"]["stream"] is True
    for split, name in (("train", "bees"), ("train", "ants"), ("test", "ants")):
        (picture_folder / split / name / "a.png").write_bytes(b"not a picture")
    for workers in ("0", "1"):
        done = subprocess.run(
            command(*flags, "--workers", workers, out=tmp_path / workers), cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: 3 pictures cannot be read")
        assert all(f"{place}/a.png" in done.stderr for place in ("train/bees", "train/ants", "test/ants"))
        assert "Traceback" not in done.stderr
