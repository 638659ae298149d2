"""A finished run that none of the tests of the commands changes."""

import fcntl
import subprocess

import pytest

from tests.commands.short_run import ROOT, SHORT, command


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A short run that nothing disturbed, with its report, made once by a process of its own; and what that printed."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # which the workers have in common
    out, printed = folder / "finished", folder / "finished.txt"
    with (folder / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            done = subprocess.run(
                command(*SHORT, "--report", "--histograms", out=out), cwd=ROOT, capture_output=True, text=True
            )
            assert (done.returncode, done.stderr) == (0, "")
            printed.write_text(done.stdout)
    return out, printed.read_text()
