"""The command in two processes that Open MPI's mpirun and Slurm's srun start: the run of one."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jaxdl.commands.train import main
from tests.commands import slurm
from tests.commands.short_run import ROOT, SHORT, command, final_state
from tests.commands.test_several_devices import EPOCH, assert_close_runs

pytestmark = pytest.mark.slow
AUTO = ["--coordinator", "auto"]
FOREIGN = ("SLURM_", "OMPI_", "PMIX_", "PRTE_", "XLA_FLAGS")  # of a job that the tests themselves may run in


class Mpirun:
    RANK = "OMPI_COMM_WORLD_RANK"

    def __init__(self, environment):
        self.environment = environment

    def line(self, tasks, command):
        # So long it waits before SIGTERM and again before SIGKILL; its one second is short on a busy machine.
        patience = ["--mca", "odls_base_sigkill_timeout", "10"]
        flags = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", *patience]
        return ["mpirun", *flags, "-np", str(tasks), *command]

    def terminate(self, out):
        os.kill(process_numbered(1, self, out), signal.SIGTERM)


class Srun:
    RANK = "SLURM_PROCID"

    def __init__(self, environment):
        self.environment = environment

    def line(self, tasks, command):
        return ["srun", *([f"--ntasks={tasks}"] if tasks > 1 else []), *command]

    def terminate(self, out):
        ids = subprocess.run(["squeue", "-h", "-o", "%i"], env=self.environment, capture_output=True, text=True).stdout
        subprocess.run(["scancel", "--signal=TERM", *ids.split()], env=self.environment, check=True)


@pytest.fixture(scope="module", params=["mpirun", "srun"])
def launcher(request):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    if request.param == "mpirun":
        if not shutil.which("mpirun"):
            pytest.skip("Open MPI's mpirun is not installed")
        yield Mpirun(environment)
        return
    if missing := slurm.missing():
        pytest.skip(f"of Slurm and munge, {', '.join(missing)} are not installed")
    with slurm.slurm(environment) as environment:
        yield Srun(environment)


@pytest.fixture
def started(launcher):
    """Starts the command by the launcher; at the end of the test none is left."""
    processes = []

    def start(*flags, out, tasks=2):
        line = launcher.line(tasks, command(*flags, *AUTO, out=out))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(line, cwd=ROOT, env=launcher.environment, **pipes))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "process"
    assert main([*EPOCH, "--parallel", "single", "--out", str(out)]) == 0
    return out


def end(process, seconds=300):
    printed, errors = process.communicate(timeout=seconds)
    return process.returncode, printed, errors


def wait_for(process, out, lines):
    """Until the log has so many lines."""
    log, deadline = out / "metrics.jsonl", time.monotonic() + 300
    while not log.exists() or len(log.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline
        assert process.poll() is None, end(process)
        time.sleep(0.05)


def process_numbered(number, launcher, out):
    """The id of the process in which the command runs that has this number."""
    wanted = f"{launcher.RANK}={number}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                line, environ = ((folder / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
            except OSError:  # it has ended, or is another user's
                continue
            if wanted in environ and str(out).encode() in line:
                return int(folder.name)
    raise AssertionError(f"no process {number}")


def test_two_processes_are_one_run(launcher, started, reference, tmp_path):
    out = tmp_path / "run"
    status, printed, errors = end(started(*EPOCH, out=out))
    assert status == 0, errors
    assert re.findall(r"^device .*", printed, re.MULTILINE)[0].endswith("of 2 devices in 2 processes")
    assert printed.count("test accuracy") == printed.count("device ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert_close_runs(out, reference)


def test_a_signal_saves_and_it_resumes(launcher, started, tmp_path):
    out = tmp_path / "run"
    process = started(*SHORT, "--epochs", "1000", out=out)
    wait_for(process, out, 3)
    launcher.terminate(out)
    status, printed, errors = end(process)
    assert status == 143, (printed, errors)
    assert "saved. Continue with" in printed
    step = int(final_state(out).step)
    assert step >= 12
    status, printed, errors = end(started("--resume", "--steps", str(step + 3), out=out))
    assert status == 0, errors
    assert "in 2 processes" in printed
    assert int(final_state(out).step) == step + 3


@pytest.mark.parametrize("launcher", ["mpirun"], indirect=True)
def test_a_signal_to_mpirun_saves_if_it_has_the_patience(launcher, started, tmp_path):
    version = subprocess.run(["mpirun", "--version"], env=launcher.environment, capture_output=True, text=True).stdout
    if int(re.search(r"\) (\d+)", version)[1]) > 4:
        pytest.skip("Open MPI 5 kills at once")
    out = tmp_path / "run"
    process = started(*SHORT, "--epochs", "1000", out=out)
    wait_for(process, out, 3)
    process.send_signal(signal.SIGTERM)
    status, printed, errors = end(process)
    assert status == 1, (printed, errors)
    assert "saved. Continue with" in printed
    assert int(final_state(out).step) >= 12


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_other_with_a_line(launcher, started, tmp_path, lost):
    out = tmp_path / "run"
    process = started(*SHORT, "--epochs", "1000", out=out)
    wait_for(process, out, 3)
    began = time.monotonic()
    os.kill(process_numbered(lost, launcher, out), signal.SIGKILL)
    status, _, errors = end(process)
    assert time.monotonic() - began < 120  # of which mpirun takes 20
    assert status not in (0, 143)
    assert f"error: process {lost} has ended, so process {1 - lost} does." in errors


def test_one_task_is_a_run_of_one_process(launcher, started, reference, tmp_path):
    out = tmp_path / "run"
    status, printed, errors = end(started(*EPOCH, out=out, tasks=1))
    assert status == 0, errors
    assert "processes" not in printed
    assert_close_runs(out, reference)


@pytest.mark.parametrize("launcher", ["srun"], indirect=True)
def test_a_script_of_slurm_is_told_to_use_srun(launcher, tmp_path):
    line = " ".join(command(*EPOCH, *AUTO, out=tmp_path / "run"))
    done = subprocess.run(
        ["sbatch", "--wait", "--ntasks=2", f"--output={tmp_path}/log", f"--wrap={line}"],
        cwd=ROOT,
        env=launcher.environment,
    )
    assert done.returncode == 2
    assert (tmp_path / "log").read_text().endswith("add srun.\n")
