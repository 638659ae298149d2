"""The command with the training images on the device against the command without."""

import json

import jax
import numpy as np
import pytest

from jaxdl.commands.train import main
from jaxdl.data import sources
from jaxdl.data.dataset import Split
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.input import fits_on_device
from jaxdl.train import parallel
from tests.commands.short_run import SHORT, final_state, records

FEW = [*SHORT, "--steps", "14"]
SPLIT = Split(np.zeros((10, 8, 8, 3), np.uint8), np.zeros(10, np.int32))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folders of a run with the images on the device and of one without."""
    folder = tmp_path_factory.mktemp("feeding")
    for name, flags in (("resident", ["--resident", "--histograms"]), ("plain", [])):
        assert main([*FEW, *flags, "--out", str(folder / name)]) == 0
    return folder / "resident", folder / "plain"


@pytest.mark.long
def test_resident_run_is_the_plain_run(both):
    ours, theirs = map(final_state, both)
    assert int(ours.step) == int(theirs.step) == 14
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4), ours.params, theirs.params)
    for found, expected in zip(*map(records, both), strict=True):
        assert {name: value for name, value in found.items() if not isinstance(value, float)} == {
            name: value for name, value in expected.items() if not isinstance(value, float)
        }
        for name, value in expected.items():
            if isinstance(value, float):
                assert found[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name


@pytest.mark.long
def test_run_may_go_on_the_other_way(both, tmp_path):
    out = tmp_path / "run"
    assert main([*SHORT, "--steps", "7", "--resident", "--out", str(out)]) == 0
    assert main(["--resume", "--no-resident", "--steps", "14", "--out", str(out)]) == 0
    ours, theirs = final_state(out), final_state(both[1])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4), ours.params, theirs.params)
    assert json.loads((out / "summary.json").read_text())["steps"] == 14


class Accelerator:
    """Stands for a GPU of so much memory; there is none to test with."""

    platform = "gpu"

    def __init__(self, memory):
        self.memory = memory

    def memory_stats(self):
        return self.memory and {"bytes_limit": self.memory}


@pytest.mark.parametrize(
    ("memory", "expected"), [(SPLIT.images.nbytes * 4, True), (SPLIT.images.nbytes * 4 - 4, False), (None, True)]
)
def test_images_stay_on_an_accelerator_that_they_fit(memory, expected):
    assert fits_on_device(Config(), parallel.Single(Accelerator(memory)), SPLIT) is expected
    assert not fits_on_device(Config(resident=False), parallel.Single(Accelerator(memory)), SPLIT)


def test_images_do_not_stay_on_a_cpu_unless_asked():
    assert not fits_on_device(Config(), parallel.single(), SPLIT)
    assert fits_on_device(Config(resident=True), parallel.single(), SPLIT)
    assert not fits_on_device(Config(), parallel.mesh(), SPLIT)


def test_what_cannot_stay_is_an_error(picture_folder):
    with pytest.raises(UserError, match="add --parallel single"):
        fits_on_device(Config(resident=True), parallel.pmap(), SPLIT)
    streamed = sources.load("folder", picture_folder, stream=True).train
    with pytest.raises(UserError, match="add --no-stream"):
        fits_on_device(Config(resident=True), parallel.single(), streamed)
