"""A sweep's members are the runs that they stand for; its table, its mistakes, and its stops."""

import csv
import dataclasses
import importlib
import json
import signal
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxdl.checkpoint import Checkpoints
from jaxdl.commands import sweep, train
from jaxdl.cpu import memory
from jaxdl.data import pipeline, sources
from jaxdl.data.dataset import train_val_split
from jaxdl.run.recipes import RECIPES
from jaxdl.run.sweep.asked import parse
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.member_data import SweepData
from jaxdl.run.sweep.numbers import optimizer_of_member
from jaxdl.run.sweep.result import Measured, PredictionSums, rows_of
from jaxdl.train.member_history import MemberHistory
from jaxdl.train.state import create_state
from tests.commands import tiny
from tests.commands.short_run import ROOT, records

SHORT = ["--dataset", "digits", "--recipe", "quick", "--batch-size", "100", "--no-report"]  # 12 steps an epoch
SWEPT = ["--epochs", "2", "--lr", "0.05,0.2", "--seed", "3,5"]
STEPS = 24


train_tiny, sweep_tiny = (partial(command.main, task=tiny.TASK) for command in (train, sweep))


def checkpoint(out, *, members=None):
    """The parameters and the optimizer's state of the last checkpoint, as arrays in their order."""
    config = dataclasses.replace(RECIPES["quick"], lr=0.1)
    names = {"lr": 0.1} if members else {}
    optimizer = optimizer_of_member(config, names, 12)
    like = create_state(tiny.Tiny(), optimizer, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    if members:
        stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * members), like)
        like = stacked.replace(step=like.step)
    with Checkpoints(out / "checkpoints") as checkpoints:
        return checkpoints.restore(like)[0]


def members_of(out):
    return list(csv.DictReader((out / "members.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of two learning rates and two seeds that nothing disturbed."""
    out = tmp_path_factory.mktemp("sweep") / "run"
    assert sweep_tiny([*SHORT, *SWEPT, "--report", "--ensemble", "--out", str(out)]) == 0
    return out


@pytest.mark.slow
def test_a_member_is_the_run_of_its_flags(swept, tmp_path):
    states, rows = checkpoint(swept, members=4), members_of(swept)
    assert [(row["lr"], row["seed"]) for row in rows] == [("0.05", "3"), ("0.05", "5"), ("0.2", "3"), ("0.2", "5")]
    for number, row in enumerate(rows):
        out = tmp_path / str(number)
        given = ["--epochs", "2", "--lr", row["lr"], "--seed", row["seed"], "--out", str(out)]
        assert train_tiny([*SHORT, *given]) == 0
        state, summary = checkpoint(out), json.loads((out / "summary.json").read_text())
        assert int(state.step) == int(states.step) == STEPS
        own = jax.tree.map(lambda leaf, number=number: leaf[number], (states.params, states.batch_stats))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5), own, (state.params, state.batch_stats)
        )
        np.testing.assert_array_equal(jax.random.key_data(states.key[number]), jax.random.key_data(state.key))
        assert float(row["best_val_accuracy"]) == pytest.approx(summary["best_val_accuracy"], abs=1e-6)
        assert float(row["test_accuracy"]) == pytest.approx(summary["test_accuracy"], abs=1e-6)
        assert float(row["test_loss"]) == pytest.approx(summary["test_loss"], abs=1e-5)
        trained = [each for each in records(out) if each["kind"] == "epoch"]
        for ours, theirs in zip([each for each in records(swept) if each["kind"] == "epoch"], trained, strict=True):
            for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
                assert ours[name][number] == pytest.approx(theirs[name], abs=1e-5)


def test_a_sweep_leaves_its_files(swept):
    config = json.loads((swept / "config.json").read_text())
    assert config["sweep"] == {"swept": {"lr": [0.05, 0.2], "seed": [3, 5]}, "ensemble": True}
    summary = json.loads((swept / "summary.json").read_text())
    assert (summary["members"], summary["seeds"], summary["steps"], summary["diverged"]) == (4, 2, STEPS, 0)
    means = [each["val_accuracy"]["mean"] for each in summary["configurations"]]
    assert means == sorted(means, reverse=True)
    for each in summary["configurations"]:
        rows = [row for row in members_of(swept) if float(row["lr"]) == each["lr"]]
        for name, column in (("val_accuracy", "best_val_accuracy"), ("test_accuracy", "test_accuracy")):
            values = [float(row[column]) for row in rows]
            assert each[name]["mean"] == pytest.approx(np.mean(values))
            assert each[name]["std"] == pytest.approx(np.std(values, ddof=1))
            assert each[name]["n"] == 2
    assert summary["ensemble_test_accuracy"] > 0.5
    with Image.open(swept / "curves.png") as picture:
        assert picture.format == "PNG"
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert {(0x00, 0x72, 0xB2), (0xC4, 0x51, 0x00)} <= colours  # a line for each learning rate


@pytest.mark.parametrize("name", ["train --resume --out", "evaluate", "diagnose"])
def test_a_sweep_is_no_run_to_other_commands(swept, capsys, name):
    module, *flags = name.split()
    assert importlib.import_module(f"jaxdl.commands.{module}").main([*flags, str(swept)]) == 2
    assert "holds a sweep of many runs" in capsys.readouterr().err


@pytest.mark.slow
def test_stopped_by_a_signal_and_resumed_is_never_stopped(swept, tmp_path, capsys):
    after, out = 14, tmp_path / "run"  # in the second epoch
    command = [sys.executable, "-m", "tests.commands.tiny", "slow", *SHORT, *SWEPT, "--ensemble", "--out", str(out)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in run.stdout:
        if line.strip() == f"at {after}":
            run.send_signal(signal.SIGTERM)
            break
    printed, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert "Traceback" not in errors
    assert f"python -m jaxdl sweep --resume --out {out}" in printed
    assert not (out / "summary.json").exists()
    assert sweep_tiny(["--resume", "--out", str(out)]) == 0
    step = int(printed.split("Stopped at step ")[1].split()[0])
    assert after <= step < STEPS
    assert f"resuming at step {step} of {STEPS}" in capsys.readouterr().out
    ours, theirs = checkpoint(out, members=4), checkpoint(swept, members=4)
    for a, b in ((ours.params, theirs.params), (ours.opt_state, theirs.opt_state)):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert records(out) == records(swept)
    assert members_of(out) == members_of(swept)


def test_a_members_batches_are_those_of_its_seed():
    dataset, grid = sources.load("digits"), Grid({"lr": (0.1, 0.2), "seed": (3, 5)}, seed=3)
    config = dataclasses.replace(RECIPES["speed"], batch_size=100, val_size=143)
    data = SweepData(dataset, grid, config)
    feed = data.feed(10, steps=4)  # of 12 in the first epoch
    for number, member in enumerate(grid.members):
        train, _ = train_val_split(dataset.train, val_size=143, seed=member["seed"])
        for index in range(4):
            batch = pipeline.train_batch(train, 10 + index, batch_size=100, seed=member["seed"], alternate=True)
            np.testing.assert_array_equal(dataset.train.images[feed["rows"][number, index]], batch["images"])
            np.testing.assert_array_equal(feed["mirrored"][number, index], batch["mirrored"])


@pytest.mark.long
def test_a_member_that_diverges_is_marked_and_the_others_go_on(swept, tmp_path, capsys):
    out, alone = tmp_path / "run", tmp_path / "alone"
    flags = [*SHORT, "--epochs", "2", "--seed", "3"]
    assert sweep_tiny([*flags, "--lr", "0.05,1e12", "--ensemble", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    good, bad = members_of(out)
    assert train_tiny([*flags, "--lr", "1e12", "--out", str(alone)]) == 2
    told = capsys.readouterr().err  # "the loss is nan at step N; ..."
    assert f"at step {bad['diverged_at_step']}" in told
    assert f"diverged at step {bad['diverged_at_step']}" in shown
    assert bad["test_accuracy"] == good["diverged_at_step"] == ""
    reference = members_of(swept)[0]
    assert float(good["test_loss"]) == pytest.approx(float(reference["test_loss"]), abs=1e-5)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["ensemble_test_accuracy"] == float(good["test_accuracy"])
    assert [each["lr"] for each in summary["configurations"]] == [0.05, 1e12]
    assert "NaN" not in (out / "metrics.jsonl").read_text()


@pytest.mark.long
def test_without_validation_and_resumed_for_more(tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--val-size", "0", "--ema", "0.9", "--clip-norm", "1,5", "--label-smoothing", "0,0.1", "--steps", "4"]
    assert sweep_tiny([*SHORT, *flags, "--on-nan", "skip", "--out", str(out)]) == 0
    assert "together" not in capsys.readouterr().out
    assert sweep_tiny(["--resume", "--ensemble", "--steps", "8", "--out", str(out)]) == 0
    assert "no validation: in the order given; 4 members" in capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text())
    assert summary["steps"] == 8
    assert summary["ensemble_test_accuracy"] is not None
    assert [each["clip_norm"] for each in summary["configurations"]] == [1, 1, 5, 5]
    assert {row["best_val_accuracy"] for row in members_of(out)} == {""}


def test_rows_are_means_and_deviations_over_seeds(rng):
    grid = Grid({"lr": (0.1, 0.2, 0.3), "seed": (0, 1, 2, 3)}, seed=0)
    history = MemberHistory.new(len(grid))
    epochs, test = rng.random((3, 12)), rng.random(12)
    history.val_accuracies = epochs.tolist()
    history.mark(7, np.arange(12) == 5)
    history.mark(9, (np.arange(12) == 5) | (np.arange(12) >= 8))
    rows = rows_of(grid, history, Measured(accuracy=test.tolist(), loss=test.tolist()))
    best = epochs.max(0)
    for row in rows:
        members = np.array([m for m in range(12) if m // 4 == row.configuration and m != 5 and m < 8])
        assert row.val_accuracy.n == row.test_accuracy.n == len(members)
        if len(members):
            assert row.val_accuracy.mean == pytest.approx(best[members].mean())
            assert row.test_accuracy.std == pytest.approx(test[members].std(ddof=1))
    assert rows[-1].configuration == 2  # all of which diverged
    assert rows[0].val_accuracy.mean > rows[1].val_accuracy.mean
    assert {row.configuration: row.diverged for row in rows} == {0: [], 1: [(1, 7)], 2: [(s, 9) for s in range(4)]}


def test_the_ensemble_is_the_mean_of_softmax(rng):
    grid = Grid({"lr": (0.1, 0.2), "seed": (0, 1, 2)}, seed=0)
    logits, labels = 2 * rng.normal(size=(6, 200, 4)).astype(np.float32), rng.integers(0, 4, 200)
    alive = np.array([True, True, True, True, False, True])
    logits[4] = np.nan
    sums = PredictionSums(grid, alive=alive, ensemble=True)
    for rows in (slice(0, 120), slice(120, 200)):
        sums.add(logits[:, rows], labels[rows])
    tested = sums.result()
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert tested.ensemble == pytest.approx((p[alive].mean(0).argmax(-1) == labels).mean())
    assert tested.ensembles[0] == pytest.approx((p[:3].mean(0).argmax(-1) == labels).mean())
    assert tested.ensembles[1] == pytest.approx((p[[3, 5]].mean(0).argmax(-1) == labels).mean())
    assert tested.accuracy[4] is tested.loss[4] is None
    assert tested.accuracy[0] == pytest.approx((logits[0].argmax(-1) == labels).mean())
    assert tested.loss[0] == pytest.approx(-np.log(p[0, np.arange(200), labels]).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "swept"),
    [
        (["--seed", "0:8"], {"seed": tuple(range(8))}),
        (["--seed=0:8:3,20"], {"seed": (0, 3, 6, 20)}),
        (["--lr", "0.01,3e-2", "--seed", "1"], {"lr": (0.01, 0.03)}),
        (["--weight-decay", "0,1e-4", "--lr=1,2"], {"weight_decay": (0.0, 1e-4), "lr": (1.0, 2.0)}),
        (["--lr", "0.5"], {}),
        (["--freeze", "conv1,conv2"], {}),
    ],
)
def test_lists_and_ranges_are_read(flags, swept):
    asked = parse(flags, RECIPES, "jaxdl sweep")
    assert asked.grid.swept == swept
    assert len(asked.grid) == np.prod([len(values) for values in swept.values()])
    for name, values in swept.items():
        assert getattr(asked.config, name) == values[0]
    assert asked.given == {flag.split("=")[0].removeprefix("--").replace("-", "_") for flag in flags if "--" in flag}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--batch-size", "64,128"], "--batch-size takes one value, got '64,128'. Of several: --lr, "),
        (["--optimizer", "sgd,adam"], "--optimizer takes one value"),
        (["--epochs", "1:3"], "--epochs takes one value"),
        (["--lr", "0.1,fast"], "--lr takes numbers as 0.01,0.03, got '0.1,fast'"),
        (["--lr", "0.1,-1"], "--lr must be greater than 0"),
        (["--momentum", "0.9,1"], "--momentum must be less than 1"),
        (["--lr", "0.1,0.1"], "--lr has 0.1 twice"),
        (["--lr", "0.1,0.2", "--lr", "0.3"], "--lr is given twice"),
        (["--seed", "4:4"], "--seed 4:4 is an empty range"),
        (["--seed", "0:8:0"], "--seed 0:8:0 is an empty range"),
        (["--seed", "0:999999999"], "more than the 4,096 members"),
        (["--seed", "0:4000", "--lr", "0.1,0.2"], "8,000 members are more than the 4,096"),
        (["--seed", "0:2", "--patience", "3"], "--patience does not go with a sweep"),
        (["--seed", "0:2", "--optimizer", "muon", "--lr", "0.1,0.2"], "--lr cannot be swept with --optimizer muon"),
        (["--optimizer", "adamw", "--momentum", "0.8,0.9"], "--momentum cannot be swept with --optimizer adamw"),
        (["--sed", "0:2"], "--seed"),
        (["--resume", "--out", "nowhere"], "there is no run in nowhere"),
    ],
)
def test_mistakes_end_with_a_line(tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    assert sweep_tiny(["--dataset", "digits", *flags]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert said in errors
    assert errors.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_members_learn_by_the_tasks_own_loss(tmp_path, capsys):
    task = tiny.TASK._replace(loss=lambda config: lambda outputs, targets: outputs[:, 0] * jnp.nan)
    flags = [*SHORT, "--lr", "0.1,0.2", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert sweep.main(flags, task=task) == 0
    assert [row["diverged_at_step"] != "" for row in members_of(tmp_path / "run")] == [True, True]


def test_help_lists_what_a_sweep_takes(capsys):
    with pytest.raises(SystemExit):
        sweep.main(["--help"])
    listed = capsys.readouterr().out
    assert "--lr X" in listed
    assert "--patience" not in listed
    assert "--coordinator" not in listed


def test_too_many_members_for_memory_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, "total", lambda: 40e6)
    out = tmp_path / "run"
    assert sweep_tiny([*SHORT, "--lr", "0.1,0.2", "--seed", "0:1000", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "2,000 members would take" in said
    fit = int(said.split("used: ")[1].split(" fit")[0].replace(",", ""))
    assert 10 < fit < 2000
    assert not out.exists()


def test_nothing_is_overwritten_and_another_sweep_is_not_resumed(swept, capsys):
    before = {path: path.read_bytes() for path in swept.iterdir() if path.is_file()}
    for flags, said in (
        ([*SHORT, *SWEPT], "exists"),
        (["--resume", "--lr", "0.05,0.3"], "has other values (lr 0.05,0.2, seed 3,5)"),
        (["--resume", "--lr", "0.2"], "has other values (lr 0.05,0.2, seed 3,5)"),
        (["--resume", "--lr", "0.05"], "has other values (lr 0.05,0.2, seed 3,5)"),
        (["--resume", "--batch-size", "50"], "--batch-size 100, not 50"),
    ):
        assert sweep_tiny([*flags, "--out", str(swept)]) == 2
        assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in swept.iterdir() if path.is_file()} == before
