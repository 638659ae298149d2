"""The loop on a model of one parameter, so that every number can be worked out by hand."""

import dataclasses
import json

import jax.numpy as jnp
import pytest

from jaxdl.metrics import Mean
from jaxdl.train.finite import NotFiniteError
from jaxdl.train.history import History
from jaxdl.train.loop import evaluate, fit


@dataclasses.dataclass(frozen=True)
class Counter:
    """Stands for a train state: ``step`` and one parameter."""

    step: int
    params: dict


def train_step(state, batch):
    """The loss of step k (from 1) is k, each batch holds two images."""
    step = state.step + 1
    measured = {name: Mean(jnp.float32(2 * step), jnp.float32(2)) for name in ("loss", "accuracy")}
    measured["grad_norm"] = Mean(jnp.float32(batch), jnp.float32(1))
    return Counter(step, {"w": jnp.float32(batch)}), measured


class Run:
    """Runs a fit and keeps its records, the steps it saved at, the steps it validated at."""

    def __init__(self, *, steps=10, start=0, history=None, val=lambda step: step / 100, batch_at=float, **options):
        self.records, self.saved, self.validated, self.shown = [], [], [], []
        self.history = history or History()

        def validate(state):
            self.validated.append(state.step)
            return {"loss": 0.5, "accuracy": val(state.step)}

        def save(state, history, accuracy):
            self.saved.append((state.step, accuracy))
            self.notes = json.loads(json.dumps(history.to_json()))

        self.state = fit(
            Counter(start, {"w": jnp.float32(0)}),
            train_step,
            batch_at,
            steps=steps,
            steps_per_epoch=4,
            learning_rate=lambda step: 0.1 * step,
            validate=validate,
            save=save,
            on_step=lambda step, history: self.shown.append(step),
            on_record=self.records.append,
            history=self.history,
            **{"log_every": 3, **options},
        )

    def timeless(self):
        return [
            {k: v for k, v in each.items() if k not in ("seconds", "images_per_second", "waiting_for_data")}
            for each in self.records
        ]


def test_fit_validates_and_saves_each_epoch_and_at_the_end():
    run = Run()
    assert run.state.step == 10
    assert run.validated == [4, 8, 10]
    assert run.saved == [(4, 0.04), (8, 0.08), (10, 0.1)]
    assert run.shown == list(range(1, 11))
    assert run.history.scores == [0.04, 0.08]  # of whole epochs, so that stopping in between leaves no trace


def test_fit_records_means_of_windows_and_epochs():
    records = Run().timeless()
    windows = [(each["step"], each["loss"], each["learning_rate"]) for each in records if each["kind"] == "step"]
    assert windows == [(3, 2.0, pytest.approx(0.2)), (6, 5.0, pytest.approx(0.5)), (9, 8.0, pytest.approx(0.8))]
    epochs = [(each["epoch"], each["train_loss"], each["val_accuracy"]) for each in records if each["kind"] == "epoch"]
    assert epochs == [(1.0, 2.5, 0.04), (2.0, 6.5, 0.08), (2.5, 9.5, 0.1)]


def test_save_every_saves_at_its_multiples_and_at_each_new_best():
    run = Run(save_every=3, val=lambda step: 1 / step)
    assert [step for step, _ in run.saved] == [3, 4, 6, 9, 10]  # 4 is the best, 8 is worse


@pytest.mark.parametrize("stop_at", range(12))
def test_a_run_stopped_anywhere_and_resumed_records_what_an_unstopped_one_does(stop_at):
    asked = iter([False] * stop_at + [True] * 12)
    first = Run(steps=12, should_stop=lambda: next(asked))
    assert first.state.step == stop_at
    rest = Run(steps=12, start=stop_at, history=History.from_json(first.notes))
    assert first.timeless() + rest.timeless() == Run(steps=12).timeless()


def test_fit_saves_when_it_is_stopped():
    asked = iter([False] * 6 + [True] * 50)
    run = Run(should_stop=lambda: next(asked))
    assert run.state.step == 6
    assert run.saved == [(4, 0.04), (6, None)]


def test_nothing_is_trained_when_there_is_nothing_left():
    run = Run(start=10)
    assert run.state.step == 10
    assert run.records == []


@pytest.mark.parametrize("step", [1, 2, 4, 5, 10])
def test_fit_stops_at_the_step_that_is_not_finite_and_saves_nothing_of_it(step):
    saved = []
    with pytest.raises(NotFiniteError, match=f"grad_norm is inf at step {step};"):
        fit(
            Counter(0, {"w": jnp.float32(0)}),
            train_step,
            lambda k: float("inf") if k + 1 == step else 1.0,
            steps=10,
            steps_per_epoch=4,
            learning_rate=lambda step: 0.1,
            save=lambda state, history, accuracy: saved.append(state.step),
            save_every=1,
        )
    assert saved == list(range(1, step))


def test_images_per_second_leaves_out_the_step_that_compiles():
    run = Run(steps=3, log_every=100)
    assert run.history.timed_images == 4  # of three steps of two
    assert run.history.images_per_second > 0


def test_evaluate_counts_across_batches():
    def eval_step(state, batch):
        return {"loss": Mean(jnp.float32(batch), jnp.float32(1))}

    totals = evaluate(eval_step, None, range(20))
    assert totals.means() == {"loss": 9.5}
    assert totals.count("loss") == 20
