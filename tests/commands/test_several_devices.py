"""The command on eight simulated devices, and in two processes of two: the numbers and the runs of one device."""

import json
import os
import signal
import socket
import subprocess
import time

import jax
import numpy as np
import pytest

from jaxdl.commands.train import main
from tests.commands.short_run import ROOT, SHORT, command, final_state, records

EPOCH = [*SHORT, "--epochs", "1"]  # 12 steps
# One device computes its convolutions in another way, which rounds otherwise.
ROUNDING = 3e-5
FORMS = {"pmap": ["--parallel", "pmap"], "fsdp": ["--mesh", "data=2,fsdp=2"]}


def assert_close_runs(out, reference):
    ours, theirs = final_state(out), final_state(reference)
    assert int(ours.step) == int(theirs.step)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=ROUNDING), ours.params, theirs.params)
    for one, other in zip(records(out), records(reference), strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            number = isinstance(value, int | float)
            assert one[name] == (pytest.approx(value, rel=1e-3, abs=1e-3) if number else value)


class Pair:
    """The command in two processes of two devices each."""

    def __init__(self, *flags, out):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
        self.processes = [
            subprocess.Popen(
                command(*flags, "--coordinator", address, "--process-id", str(number), "--num-processes", "2", out=out),
                cwd=ROOT,
                env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in (0, 1)
        ]

    def end(self, seconds=150):
        """(status, stdout, stderr) of each."""
        ends = []
        for process in self.processes:
            try:
                printed, errors = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                for each in self.processes:
                    each.kill()
                raise
            ends.append((process.returncode, printed, errors))
        return ends

    def wait_for(self, out, lines):
        """Until the log has so many lines."""
        log, deadline = out / "metrics.jsonl", time.monotonic() + 120
        while not log.exists() or len(log.read_text().splitlines()) < lines:
            assert time.monotonic() < deadline
            assert all(process.poll() is None for process in self.processes), self.end()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "device"
    assert main([*EPOCH, "--out", str(out)]) == 0
    return out


@pytest.mark.long
@pytest.mark.parametrize("form", [pytest.param("pmap", marks=pytest.mark.slow), "fsdp"])
def test_a_run_on_several_devices_is_that_of_one_and_resumes_bit_for_bit(reference, tmp_path, form, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*EPOCH, *FORMS[form], "--out", str(whole)]) == 0
    assert f"{form.replace('fsdp', 'mesh data=2,fsdp=2')} of " in capsys.readouterr().out
    assert_close_runs(whole, reference)
    assert main([*EPOCH, *FORMS[form], "--steps", "5", "--out", str(parts)]) == 0
    assert main(["--resume", "--steps", "12", "--out", str(parts)]) == 0
    ours, theirs = final_state(parts), final_state(whole)
    jax.tree.map(np.testing.assert_array_equal, ours.params, theirs.params)


@pytest.mark.slow
def test_a_run_of_eight_devices_goes_on_with_one_and_the_other_way_round(reference, tmp_path):
    for number, forms in enumerate([(["--parallel", "mesh"], ["--parallel", "single"]), ([], ["--parallel", "pmap"])]):
        out = tmp_path / str(number)
        assert main([*EPOCH, *forms[0], "--steps", "5", "--out", str(out)]) == 0
        assert main(["--resume", *forms[1], "--steps", "12", "--out", str(out)]) == 0
        ours, theirs = final_state(out), final_state(reference)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=ROUNDING), ours.params, theirs.params)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pmap", "fsdp"])
def test_two_processes_of_two_devices_are_one_run(reference, tmp_path, form):
    out = tmp_path / "run"
    ends = Pair(*EPOCH, *FORMS[form], out=out).end()
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert_close_runs(out, reference)
    assert "4 devices in 2 processes" in json.loads((out / "summary.json").read_text())["device"]
    assert "test accuracy" in ends[0][1]
    assert "accuracy" not in ends[1][1]


@pytest.mark.slow
def test_a_signal_to_one_of_two_processes_saves_both_and_one_process_goes_on(tmp_path):
    out = tmp_path / "run"
    pair = Pair(*SHORT, "--epochs", "1000", out=out)
    pair.wait_for(out, 3)
    pair.processes[1].send_signal(signal.SIGTERM)
    ends = pair.end()
    assert [status for status, _, _ in ends] == [143, 143], ends
    assert "saved. Continue with" in ends[0][1]
    step = int(final_state(out).step)
    assert step >= 12
    assert main(["--resume", "--parallel", "single", "--steps", str(step + 3), "--out", str(out)]) == 0
    assert int(final_state(out).step) == step + 3


@pytest.mark.long
@pytest.mark.parametrize("lost", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_lost_process_ends_the_other_with_a_line(tmp_path, lost):
    out = tmp_path / "run"
    pair = Pair(*SHORT, "--epochs", "1000", out=out)
    pair.wait_for(out, 3)
    began = time.monotonic()
    pair.processes[lost].kill()
    ends = pair.end()
    assert time.monotonic() - began < 30
    status, _, errors = ends[1 - lost]
    assert status not in (0, 143)
    assert f"error: process {lost} has ended, so process {1 - lost} does." in errors


@pytest.mark.slow
def test_an_error_of_all_processes_is_told_by_each(tmp_path):
    ends = Pair(*EPOCH, "--lr", "1e20", out=tmp_path / "run").end()
    for status, _, errors in ends:
        assert status == 2
        assert "training has stopped" in errors
        assert "has ended" not in errors


@pytest.mark.slow
def test_a_folder_that_exists_is_refused_by_all_processes(tmp_path):
    for status, _, errors in Pair(*EPOCH, out=tmp_path).end():
        assert status == 2
        assert f"error: --out {tmp_path} exists" in errors
        assert "has ended" not in errors


@pytest.mark.slow
def test_two_processes_stopped_and_resumed_were_never_stopped(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for flags, out in (([*EPOCH], whole), ([*EPOCH, "--steps", "5"], parts), (["--resume", "--steps", "12"], parts)):
        assert [status for status, _, _ in Pair(*flags, out=out).end()] == [0, 0]
    ours, theirs = final_state(parts), final_state(whole)
    jax.tree.map(np.testing.assert_array_equal, ours.params, theirs.params)
