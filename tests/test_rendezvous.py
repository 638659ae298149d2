"""Processes that do not meet: a line, status 2, and signals heard meanwhile."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from jaxdl import rendezvous
from jaxdl.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
JOIN = """
import sys
from jaxdl import rendezvous
from jaxdl.train.interrupt import leave
rendezvous.NOTICE, rendezvous.PATIENCE, rendezvous.STAY = (int(word) for word in sys.argv[1:4])
from experiments.cifar import main
leave(main(["--dataset", "digits", *sys.argv[4:]]))
"""


@contextmanager
def joining(*flags, notice, patience):
    """The command, in a process that no launcher started; it has ended, or is ended, at the end."""
    foreign = ("SLURM_", "OMPI_", "JAX_COORDINATOR", "KUBERNETES_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    line = [sys.executable, "-c", JOIN, str(notice), str(patience), "0", *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, cwd=ROOT, env=environ, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.long
def test_auto_without_a_launcher_says_what_there_is(tmp_path):
    with joining("--coordinator", "auto", "--out", str(tmp_path / "run"), notice=15, patience=60) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "error: coordinator auto finds neither srun, mpirun, Kubernetes nor a TPU pod here." in errors
    assert errors.count("\n") == 1


@pytest.mark.long
@pytest.mark.parametrize(("number", "reason"), [("0", "not all have come"), ("1", "process 0 does not answer")])
def test_who_waits_in_vain_says_so(tmp_path, address, number, reason):
    numbers = ("--process-id", number, "--num-processes", "2", "--out", str(tmp_path / "run"))
    with joining("--coordinator", address, *numbers, notice=0, patience=1) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert f"\nerror: process {number} of 2 waits for the others at {address}: {reason}, 1 s so far." in errors


def test_a_signal_ends_the_waiting(tmp_path, address):
    numbers = ("--process-id", "1", "--num-processes", "2", "--out", str(tmp_path / "run"))
    with joining("--coordinator", address, *numbers, notice=0, patience=60) as process:
        assert "waits for the others" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 143


def test_an_address_at_which_the_first_cannot_serve_is_refused():
    with socket.create_server(("", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(UserError, match=f"port {taken} .Address already in use.: name another coordinator"):
            rendezvous.check_address(f"127.0.0.1:{taken}", found=False)
        with pytest.raises(UserError, match="export another JAX_COORDINATOR_PORT"):
            rendezvous.check_address(f"127.0.0.1:{taken}", found=True)
    rendezvous.check_address(f"192.0.2.77:{taken}", found=False)
    with pytest.raises(UserError, match=r"cannot serve at 192\.0\.2\.77: give all of them JAX_COORDINATOR_ADDRESS"):
        rendezvous.check_address(f"192.0.2.77:{taken}", found=True)
    for wrong in ("10.0.0.1", "10.0.0.1:http", "10.0.0.1:70000", ":1234"):
        with pytest.raises(UserError, match="must be HOST:PORT"):
            rendezvous.check_address(wrong, found=False)


def test_a_machine_that_does_not_know_its_name_is_told(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "nowhere.invalid")
    with pytest.raises(UserError, match=r"add a line for nowhere\.invalid to /etc/hosts"):
        rendezvous.meet(None, heartbeat_timeout_seconds=60)
