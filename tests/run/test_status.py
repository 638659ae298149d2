"""What no part of a command foresaw is told in a line, if it is its user's to mend."""

import os
import signal
import subprocess
import sys

import pytest

from jaxdl.run.status import exit_status, line_of
from tests.commands.short_run import ROOT


def raising(error):
    def body():
        raise error

    return body


def test_a_file_that_the_system_refuses_is_a_line(capsys):
    assert exit_status(raising(PermissionError(13, "Permission denied", "/data/train"))) == 2
    assert capsys.readouterr().err == "error: cannot use /data/train (Permission denied).\n"


@pytest.mark.parametrize("error", [OSError("of no file"), ValueError("a fault of ours"), OSError(9, "said", 5)])
def test_a_fault_of_the_program_is_not_hidden(error):
    assert line_of(error) is None
    with pytest.raises(type(error)):
        exit_status(raising(error))


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_that_is_not_there_is_a_line(platform, tmp_path):
    command = [sys.executable, "-m", "jaxdl", "train", "--dataset", "digits", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "JAX_PLATFORMS": platform}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: JAX_PLATFORMS is {platform!r}")
    assert done.stderr.count("\n") == 1


WAITING = """
import sys, time
from jaxdl.train.interrupt import stop_at_once
stop_at_once()
print("begun", flush=True)
import jax
time.sleep(60)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_packages_are_imported_is_answered(number, status):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (status, "\nStopped.\n")
