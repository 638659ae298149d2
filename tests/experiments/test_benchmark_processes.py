"""A contestant is a process of its own: what it counts, how it ends, and how it is ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.benchmark.__main__ import main
from experiments.benchmark.contestant import Job
from experiments.benchmark.process import BenchmarkError, Process
from experiments.benchmark.worker import Rounds
from tests.commands.short_run import ROOT


def test_a_process_of_pytorchs_loads_no_jax():
    program = (
        "import sys; from experiments.benchmark import worker, networks; "
        "from experiments.benchmark.throughput import train_pytorch, input_torchvision; "
        "from experiments.benchmark.accuracy import learn_pytorch, learn_airbench94; "
        "print('jax' in sys.modules, 'flax' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_a_round_lasts_at_least_as_long_as_told():
    class Sleeper:
        batch_size = 3
        groups: list[int] = []  # noqa: RUF012

        def run(self, steps):
            self.groups.append(steps)
            time.sleep(0.002 * steps)

    rounds = Rounds(Sleeper())
    for _ in range(2):
        Sleeper.groups.clear()
        images, seconds = rounds.run(0.02)
        assert seconds >= 0.02
        assert images == 3 * sum(Sleeper.groups)
    assert Sleeper.groups[0] > 2  # from the round before it knows about how many steps that takes


def test_a_contestants_time_is_that_of_the_processes_it_started_too():
    busy = "sum(range(10**8)); input()"
    program = (
        "import subprocess, sys, time; from experiments.benchmark.machine import cpu_seconds; "
        f"child = subprocess.Popen([sys.executable, '-c', {busy!r}], stdin=subprocess.PIPE); "
        "began = time.monotonic(); "
        "exec('while cpu_seconds() < time.process_time() + 0.3: assert time.monotonic() < began + 60'); "
        "child.kill(); child.wait()"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, start_new_session=True, capture_output=True)


@pytest.mark.parametrize(
    ("flax", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the process of flax (cifar_cnn) ended by SIGKILL"),
        ("import os; os.write(2, b'no memory left\\n'); os._exit(3)", "ended with status 3: no memory left"),
        ("raise RuntimeError('what it met\\nand more')", "flax (cifar_cnn) failed: RuntimeError: what it met"),
    ],
)
def test_a_contestant_that_ends_is_told_in_a_line(flax, says, tmp_path, capsys, monkeypatch):
    (tmp_path / "flax.py").write_text(flax)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "out.json"
    assert main(["--model", "cifar_cnn", "--contestants", "flax", "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


def test_a_contestant_that_ends_between_rounds_is_told():
    with Process(Job(subject="input", contestant="jaxdl", batch_size=4)) as process:
        assert process.round(0.01).images >= 4
        os.kill(process.pid, signal.SIGTERM)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(BenchmarkError, match=r"the process of jaxdl \(input\) ended by SIGTERM"):
            process.round(0.01)


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_every_process(sent, status, tmp_path):
    flags = ["--subject", "input", "--contestants", "jaxdl", "--seconds", "600", "--out", str(tmp_path / "out.json")]
    command = [sys.executable, "-m", "experiments.benchmark", *flags]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        while not (started := children(running.pid)):
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(sent)
        assert running.wait(timeout=60) == status
        assert running.stderr.read().strip() == "Stopped."
    ends = time.monotonic() + 60  # one that had only just begun ends by itself, for its input is closed
    while any(Path("/proc", str(child)).exists() for child in started):
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert not list(tmp_path.iterdir())


def children(pid):
    """The processes that ``pid`` started and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended meanwhile
        if parent == pid:
            found.append(int(status.parent.name))
    return found
