"""A sweep whose output is no terminal says in lines what a bar would show."""

import io

import pytest

from jaxdl.report import heartbeat
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.member_history import MemberHistory
from jaxdl.run.sweep.progress import Progress


@pytest.fixture
def lines():
    stream = io.StringIO()
    grid = Grid.from_json({"lr": [0.1, 0.2]}, seed=0)
    with (
        Heartbeat("reading the data", stream=stream) as beating,
        Progress(grid, beating, step=0, steps=100, steps_per_epoch=50) as progress,
    ):
        yield stream, beating, progress


def history():
    found = MemberHistory.new(2)
    found.sums = {"loss": [[3.0, 5.0], [2.0, 2.0]]}
    found.timed_images, found.timed_seconds = 600, 2.0
    return found


def test_that_it_compiles_is_said_before_the_first_update(lines):
    stream, *_ = lines
    assert stream.getvalue() == "  compiling the update of 2 members\n"


def test_slow_steps_do_not_keep_silent(lines, monkeypatch):
    stream, beating, progress = lines
    progress.steps(10, history())
    assert stream.getvalue().count("\n") == 1  # it has just spoken
    beating._spoke -= heartbeat.LONGEST_SILENCE
    progress.steps(20, history())
    said = stream.getvalue().splitlines()[-1]
    assert said.startswith("  step 20/100  median train loss 2.0000  300 images/s  ")
    assert said.endswith(" left")


def test_a_long_step_or_validation_says_where_it_stands(lines, monkeypatch):
    _, beating, progress = lines
    progress.steps(10, history())
    assert beating._doing == "at step 10/100"
