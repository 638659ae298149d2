"""Mistakes of the user give a line or two and status 2; nothing is half-written, nothing lost."""

import os
import shutil

import jax
import numpy as np
import pytest

from jaxdl.checkpoint import Checkpoints
from jaxdl.commands.train import main
from tests.commands.short_run import SHORT, final_state


@pytest.mark.long
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
    lonely = tmp_path / "lonely"
    shutil.copytree(picture_folder, lonely)
    for split in ("train", "test"):
        (lonely / split / "zebra").mkdir()
        shutil.copy(picture_folder / "train" / "ants" / "a.png", lonely / split / "zebra")
    broken = picture_folder / "train" / "ants" / "a.png"
    cases = {
        "Did you mean --recipe": ["--recip", "x"],
        "no prepared CIFAR-10": ["--data-dir", str(tmp_path / "data")],
        "are read with --dataset folder": ["--data-dir", str(picture_folder)],
        "not a folder": ["--dataset", "cifar10", "--data-dir", str(tmp_path / "absent")],
        "--dataset digits": ["--dataset", "cifar10", "--offline", "--data-dir", str(tmp_path / "empty")],
        "--batch-size must be between": ["--dataset", "digits", "--batch-size", "5000"],
        "--mesh must be as data=4,fsdp=2": ["--dataset", "digits", "--mesh", "8x2"],
        "does not fit 8 devices": ["--dataset", "digits", "--mesh", "data=16"],
        "a shape of the mesh is given, but parallel is pmap": ["--parallel", "pmap", "--mesh", "fsdp=2"],
        "Did you mean mesh": ["--dataset", "digits", "--parallel", "mehs"],
        "torchvision publishes no weights for quick_cnn": ["--model", "quick_cnn", "--pretrained", "torchvision"],
        "need --coordinator": ["--dataset", "digits", "--process-id", "0"],
        "needs --process-id and --num-processes": ["--dataset", "digits", "--coordinator", "127.0.0.1:1"],
        "finds --process-id and --num-processes by itself": ["--coordinator", "auto", "--process-id", "0"],
        "--process-id must be from 0 to 1": [
            "--coordinator",
            "127.0.0.1:1",
            "--process-id",
            "2",
            "--num-processes",
            "2",
        ],
        "no such home folder": ["--dataset", "digits", "--pretrained=~nobody-of-that-name/a.pth"],
        "only --dataset folder can be streamed": ["--dataset", "digits", "--stream"],
        "--seed must be less than 4294967296": ["--dataset", "digits", "--seed", "4294967296"],
        "the class zebra has a single example": ["--dataset", "folder", "--data-dir", str(lonely)],
        "hold out none: --val-size 0.": ["--dataset", "folder", "--data-dir", str(lonely)],
        "--val-size must be": ["--dataset", "digits", "--val-size", "1436"],
        str(broken): ["--dataset", "folder", "--data-dir", str(picture_folder)],
    }
    cases["caf\\xe9: its name is no UTF-8"] = ["--dataset", "digits", "--out", f"{tmp_path}/caf\udce9"]
    (tmp_path / "empty").mkdir()
    broken.write_bytes(broken.read_bytes()[:100])
    for says, flags in cases.items():
        assert main([*flags, *([] if "--out" in flags else ["--out", out])]) == 2
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
        "there is no run in": ["--resume", "--out", str(tmp_path)],
        "--model cifar_cnn, not resnet18": ["--resume", "--out", str(out), "--model", "resnet18"],
        "--seed 0, not 3": ["--resume", "--out", str(out), "--seed", "3"],
        "--recipe course, not quick": ["--resume", "--out", str(out), "--recipe", "quick"],
    }
    for says, flags in cases.items():
        assert main(flags) == 2
        assert says in capsys.readouterr().err
