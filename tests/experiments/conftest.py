"""What tests of the commands share: a finished run that none of them changes, and a dataset of a moment."""

import fcntl
import subprocess

import numpy as np
import pytest

from experiments.benchmark.accuracy import learning
from jaxdl.data.dataset import Dataset
from tests.experiments.short_run import ROOT, SHORT, command


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


@pytest.fixture
def tiny(monkeypatch, rng):
    """A dataset of 96 and 40 random images, in place of any other."""
    stored = {
        "train_images": rng.integers(0, 256, (96, 32, 32, 3), np.uint8),
        "train_labels": rng.integers(0, 10, 96, np.int32),
        "test_images": rng.integers(0, 256, (40, 32, 32, 3), np.uint8),
        "test_labels": rng.integers(0, 10, 40, np.int32),
    }
    found = Dataset.of("tiny", stored, classes=tuple("0123456789"), source="", fingerprint="")
    monkeypatch.setattr(learning, "dataset", lambda task: found)
    return found
