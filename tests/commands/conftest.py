"""A finished run and a file of weights that none of the tests of the commands changes."""

import fcntl
import subprocess

import jax
import numpy as np
import pytest

from jaxdl import models
from jaxdl.transfer import safetensors
from jaxdl.transfer.conversion import layout, to_pytorch
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


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of the course's network for three classes, the network and its variables."""
    model = models.create("cifar_cnn", num_classes=3)
    variables = jax.jit(lambda: model.init(jax.random.key(1), np.zeros((1, 32, 32, 3), np.float32), train=False))()
    path = tmp_path_factory.mktemp("weights") / "course.safetensors"
    safetensors.write(path, to_pytorch(variables, **layout(model)))
    return path, model, variables
