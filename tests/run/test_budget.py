"""As many epochs as fit into a time."""

import dataclasses
import time
from functools import partial

import pytest

from jaxdl.data import sources
from jaxdl.errors import UserError
from jaxdl.run import budget
from jaxdl.run.asked import parse
from jaxdl.run.budget import Speed, within_budget
from jaxdl.run.build import build
from jaxdl.run.config import Config
from jaxdl.run.duration import seconds_of
from jaxdl.run.recipes import RECIPES, adapt
from jaxdl.train import parallel
from tests.commands import tiny


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("1.5m", 90), ("2h5s", 7205)])
def test_times_are_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5m1h", "five", "5m5m", "nans", "inf"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UserError, match="written as 90s, 5m or 1h30m"):
        Config(budget=text)


@pytest.fixture
def found(monkeypatch, capsys):
    """(config) -> the configuration within its budget, on a machine that makes ten updates a second."""
    dataset = sources.load("digits")

    def find(config, *given, speed=Speed(update=0.1, evaluation=1 / 143, start=5.0)):  # noqa: B008, immutable
        monkeypatch.setattr(budget, "build", partial(build, compile_ahead=False))
        monkeypatch.setattr(budget, "measured", lambda training, *, seconds: speed)
        config = adapt(config, dataset, frozenset(given))
        return within_budget(
            config,
            dataset,
            parallel.single(),
            given=frozenset(given),
            began=time.monotonic(),
            task=tiny.TASK,
        )

    return find


def test_epochs_are_those_that_fit_beside_the_start_and_the_test(found, capsys):
    config = dataclasses.replace(RECIPES["quick"], budget="5m")
    settled = found(config)
    an_epoch, test = 40 * 0.1 + 1.0, 360 / 143
    most = (0.97 * 300 - 5.0 - test) / an_epoch
    assert most - 15 < settled.epochs <= most  # making the network took of it, too, on a busy machine long
    assert settled.warmup_epochs == pytest.approx(3.0 * settled.epochs / 16, rel=1e-2)
    assert settled.decay_epochs == config.decay_epochs  # which its schedule makes nothing of
    said = capsys.readouterr().out
    assert f"--epochs {settled.epochs:g} --warmup-epochs {settled.warmup_epochs:g}\n" in said


def test_what_was_given_stays(found):
    config = dataclasses.replace(RECIPES["quick"], budget="5m", warmup_epochs=2.0, schedule="step")
    settled = found(config, "warmup_epochs")
    assert settled.warmup_epochs == 2.0
    assert settled.decay_epochs == pytest.approx(30.0 * settled.epochs / 16, rel=1e-2)


def test_less_than_an_epoch_is_refused(found):
    with pytest.raises(UserError, match=r"--budget 9s is too little: an epoch takes about 5\.0 s here"):
        found(dataclasses.replace(RECIPES["quick"], budget="9s"))


@pytest.mark.parametrize("other", ["--epochs", "--steps"])
def test_a_budget_and_another_end_are_one_too_many(other):
    with pytest.raises(UserError, match=f"--budget and {other} both end the training; give one"):
        parse(["--budget", "5m", other, "3"], RECIPES, "jaxdl train")


def test_no_time_at_all_is_refused():
    with pytest.raises(UserError, match="--budget must be greater than 0, got 0m"):
        Config(budget="0m")


def test_the_flags_of_the_same_run_have_every_digit(found, capsys):
    settled = found(dataclasses.replace(RECIPES["quick"], budget="9999h"))
    assert settled.epochs > 1e6
    assert f"--epochs {settled.epochs!r} " in capsys.readouterr().out
