"""A run's network at the checkpoint that is asked for."""

import jax
import numpy as np
import pytest

from jaxdl.checkpoint import Checkpoints
from jaxdl.commands.train import main
from jaxdl.errors import UserError
from jaxdl.run import finished_run
from tests.commands.short_run import SHORT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with several checkpoints."""
    folder = tmp_path_factory.mktemp("run") / "run"
    flags = [*SHORT, "--epochs", "1", "--checkpoint-every", "5", "--out", str(folder)]
    assert main(flags, command="experiments.cifar") == 0
    return str(folder)


def test_checkpoints_are_the_last_the_best_or_one_by_its_updates(run):
    with Checkpoints(f"{run}/checkpoints") as checkpoints:
        steps, best = checkpoints.steps, checkpoints.best_step
    assert len(steps) >= 2
    assert finished_run.load(run).step == finished_run.load(run, checkpoint="last").step == steps[-1]
    assert finished_run.load(run, checkpoint="best").step == best
    first = finished_run.load(run, checkpoint=str(steps[0]))
    assert first.step == steps[0]
    kernels = [jax.tree.leaves(each.variables["params"])[0] for each in (first, finished_run.load(run))]
    assert not np.array_equal(*kernels)


def test_a_checkpoint_that_is_not_there_is_told_with_those_that_are(run):
    with pytest.raises(UserError, match="there is no checkpoint of step 3"):
        finished_run.load(run, checkpoint="3")


def test_without_validation_there_is_no_best(tmp_path):
    flags = [*SHORT, "--epochs", "1", "--val-size", "0", "--steps", "2", "--out", str(tmp_path / "run")]
    assert main(flags, command="experiments.cifar") == 0
    with pytest.raises(UserError, match="has measured no checkpoint by validation; use --checkpoint last"):
        finished_run.load(str(tmp_path / "run"), checkpoint="best")
