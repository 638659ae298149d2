"""A sweep whose output is no terminal says in lines what a bar would show."""

import pytest

from jaxdl.metrics import Totals
from jaxdl.report import heartbeat
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.progress import Progress
from jaxdl.train.member_history import MemberHistory


@pytest.fixture
def begun(capsys):
    grid = Grid.from_json({"lr": [0.1, 0.2]}, seed=0)
    with Progress(grid, step=0, steps=100, steps_per_epoch=50) as progress:
        yield progress


def history():
    found = MemberHistory.new(2)
    found.sums = Totals(loss=[[3.0, 5.0], [2.0, 2.0]])
    found.timed_images, found.timed_seconds = 600, 2.0
    return found


def test_that_it_compiles_is_said_before_the_first_update(begun, capsys):
    assert capsys.readouterr().out == "  compiling the update of 2 members\n"


def test_slow_steps_do_not_keep_silent(begun, monkeypatch, capsys):
    begun.step(10, history())
    assert capsys.readouterr().out.count("\n") == 1  # it has just spoken
    monkeypatch.setattr(heartbeat, "LONGEST_SILENCE", 0.0)
    begun.step(20, history())
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("  step 20/100  median train loss 2.0000  300 images/s  ")
    assert said.endswith(" left")


def test_a_long_step_or_validation_says_where_it_stands(begun):
    begun.step(10, history())
    assert begun._heartbeat._doing == "at step 10/100"
