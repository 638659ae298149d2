"""One finished run that the tests of the command share; none of them changes it."""

import subprocess

import pytest

from tests.experiments.short_run import ROOT, SHORT, command


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A short run that nothing disturbed, with its report, made by a process of its own."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    done = subprocess.run(
        command(*SHORT, "--report", "--histograms", out=out), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return out, done
