"""Runs that are stopped, by their flags and by real signals, and go on as if they had not been."""

import json
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxdl.commands.train import main
from tests.commands.short_run import ROOT, SHORT, STEPS, assert_same_run, final_state, records


@pytest.mark.long
@pytest.mark.parametrize("stop", [5, *(pytest.param(stop, marks=pytest.mark.slow) for stop in (12, 19))])
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "status", "after"),
    [
        (signal.SIGINT, 130, 3),
        pytest.param(signal.SIGTERM, 143, 14, marks=pytest.mark.slow),
        (signal.SIGKILL, -9, 20),
    ],
)
def test_stopped_by_a_signal_and_resumed_is_never_stopped(finished, tmp_path, number, status, after):
    reference, _ = finished
    out = tmp_path / "run"
    # a step record appears at every checkpoint of one update; wait for it, then strike
    program = (
        "import sys, time; from jaxdl.commands import train; from jaxdl.run import story; fit = story.fit\n"
        "def slow(*args, on_step, **options):\n"
        "    def told(step, history):\n"
        "        on_step(step, history); print('at', step, flush=True); time.sleep(0.05)\n"
        "    return fit(*args, on_step=told, **options)\n"
        "story.fit = slow\n"
        "from jaxdl.train.interrupt import leave; leave(train.main(sys.argv[1:]))\n"
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
        assert f"python -m jaxdl train --resume --out {out}" in printed
        assert not (out / "summary.json").exists()
    assert main(["--resume", "--out", str(out)]) == 0
    assert_same_run(out, reference)


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "place"),
    [
        ("build", "create_state"),
        pytest.param("build", "channel_statistics", marks=pytest.mark.slow),
        pytest.param("evaluating", "predict", marks=pytest.mark.slow),
    ],
)
def test_a_signal_outside_the_steps_ends_cleanly(tmp_path, module, place):
    program = (
        f"import sys; from jaxdl.commands import train; from jaxdl.run import {module}; real = {module}.{place}\n"
        "def told(*args, **options):\n"
        "    print('here', flush=True); return real(*args, **options)\n"
        f"{module}.{place} = told\n"
        "from jaxdl.train.interrupt import leave; leave(train.main(sys.argv[1:]))\n"
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
    if place == "predict":  # of the test at the end: there the training is saved already
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
