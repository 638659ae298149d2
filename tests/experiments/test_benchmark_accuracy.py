"""Time to accuracy: the clock, the turns, and trainings that are what they are called."""

import dataclasses
import json
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from experiments.benchmark.__main__ import main
from experiments.benchmark.accuracy import contest, learn_pytorch, learn_recipe, learning
from experiments.benchmark.accuracy.contest import Contest, Training
from experiments.benchmark.contestant import Job, LeftOutError
from experiments.benchmark.options import Options
from experiments.benchmark.process import Evaluation, Ready
from experiments.benchmark.worker import Learning
from jaxdl.commands import train
from jaxdl.run.recipes import QUICK, RECIPES
from tests import pytorch
from tests.commands.short_run import ROOT

ACCURACY = ["--subject", "accuracy", "--dataset", "digits", "--threads", "1"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """(file, output) of a short contest that everybody wins."""
    out = tmp_path_factory.mktemp("benchmark") / "accuracy.json"
    flags = [*ACCURACY, "--contestants", "pytorch:1,pytorch_tuned:1,course:1", "--target", "0.02", "--out", str(out)]
    command = [sys.executable, "-m", "experiments.benchmark", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


@pytest.mark.slow
def test_the_file_has_the_seconds_of_every_training(learned):
    found, _ = learned
    (result,) = found["results"]
    assert {"target": 0.02, "budget_seconds": 600.0, "seeds": 1, "dataset": "digits"}.items() <= result.items()
    assert "scikit-learn's bundled" in found["data"]
    assert set(result["contestants"]) | set(result["left_out"]) == {"pytorch:1", "pytorch_tuned:1", "course:1"}
    for training in result["trainings"]:
        about, (evaluation,) = result["contestants"][training["contestant"]], training["evaluations"]
        assert training["reached"]
        assert evaluation["accuracy"] >= 0.02
        assert about["parameters"] == 145_578
        assert about["seconds"] == dict.fromkeys(("median", "lowest", "highest"), training["seconds"])
        assert training["seconds"] == evaluation["seconds"] > 0
        assert evaluation["evaluation_seconds"] > 0
        parts = training["before_training_seconds"], evaluation["seconds"], evaluation["evaluation_seconds"]
        assert training["from_start_seconds"] == pytest.approx(sum(parts))


@pytest.mark.long
def test_times_are_compared_with_the_courses_program(learned):
    found, printed = learned
    (result,) = found["results"]
    rows = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    pytorch.torchvision()  # where it is installed PyTorch takes part
    assert (result["compared_with"], set(result["ratios"])) == ("pytorch:1", {"pytorch_tuned:1", "course:1"})
    theirs = result["contestants"]["pytorch:1"]["seconds"]["median"]
    for name, ratio in result["ratios"].items():
        assert ratio["rounds"] == [theirs / result["contestants"][name]["seconds"]["median"]]
        assert f"{ratio['median']:.2f} x" in rows[name]
    assert "training until 2.0% of digits's test images are right, at most 600 s, f32, 1 seed" in printed


@pytest.mark.long
def test_each_evaluation_is_told_as_it_comes(learned):
    found, printed = learned
    (result,) = found["results"]
    for training in result["trainings"]:
        (evaluation,) = training["evaluations"]
        told = [line.split() for line in printed.splitlines() if line.split()[:3:2] == ["seed", training["contestant"]]]
        assert [line[3] for line in told] == ["epoch", "2.0%"]
        assert told[0][5:] == [f"{evaluation['seconds']:.1f}", "s", f"{evaluation['accuracy']:.2%}"]


def test_a_spent_budget_ends_a_training(tmp_path, capsys):
    pytorch.torchvision()
    out = tmp_path / "spent.json"
    flags = ["--contestants", "pytorch_tuned", "--target", "0.02", "--budget", "0.001", "--out", str(out)]
    assert main([*ACCURACY, *flags]) == 0
    (result,) = json.loads(out.read_text())["results"]
    (training,) = result["trainings"]
    assert len(training["evaluations"]) == 1
    assert (training["reached"], result["contestants"]["pytorch_tuned"]["seconds"]) == (False, None)
    printed = capsys.readouterr().out
    assert f"not reached in 0.001 s (best {training['best_accuracy']:.2%})" in printed
    (row,) = [line.split() for line in printed.splitlines() if line.startswith("pytorch_tuned")]
    assert row == ["pytorch_tuned", "not", "reached", f"{training['best_accuracy']:.2%}"]


def test_contestants_learn_turn_by_turn_until_each_is_done(monkeypatch):
    turns, started = [], []
    accuracies = {"early": [0.5, 0.9], "late": [0.1, 0.2, 0.3, 0.9], "never": [0.1, 0.2, 0.3]}

    class Fake:
        def __init__(self, task):
            self.task, self.ready = task, ready_after(2.0)
            self._found = enumerate(accuracies.get(task.contestant, []), 1)

        def __enter__(self):
            if self.task.contestant == "absent":
                raise LeftOutError("torch is not installed")
            started.append((self.task.contestant, self.task.seed))
            return self

        def __exit__(self, *_):
            pass

        def evaluation(self):
            turns.append(self.task.contestant)
            return next((evaluation(0.5 * number, found, 10.0 * number) for number, found in self._found), None)

    monkeypatch.setattr(contest, "Process", Fake)
    tasks = [Job(subject="accuracy", contestant=name) for name in ("absent", *accuracies)]
    held = contest.run(tasks, seeds=2, target=0.9, budget=100.0)
    once = ["early", "late", "never"] * 2 + ["late", "never", "late", "never"]  # whose last turn finds it at its end
    assert turns == once * 2
    assert started == [(name, seed) for seed in (0, 1) for name in accuracies]
    assert held.left_out == {"absent": "torch is not installed"}
    found = {(training.contestant, training.seed): training for training in held.trainings}
    assert found["late", 1].reached.seconds == 40.0
    assert found["late", 1].from_start(found["late", 1].reached) == 2.0 + 40.0 + 1.0
    assert (found["never", 0].reached, found["never", 0].best) == (None, 0.3)


def test_a_target_met_after_the_budget_is_not_reached():
    training = Training(contestant="x", seed=0, target=0.6, budget=25.0, ready=ready_after(1.0))
    training.evaluations.append(evaluation(0.5, 0.5, 20.0))
    assert not training.is_over
    training.evaluations.append(evaluation(1.0, 0.7, 26.0))
    assert (training.is_over, training.reached, training.best) == (True, None, 0.7)


def test_a_contestant_has_a_time_only_if_every_seed_came_there():
    seconds = {"pytorch": [30.0, 40.0, 80.0], "quick": [10.0, 20.0, 20.0], "course": [10.0, None, 30.0]}
    trainings = []
    for name, values in seconds.items():
        for seed, value in enumerate(values):
            training = Training(contestant=name, seed=seed, target=0.6, budget=100.0, ready=ready_after(1.0))
            training.evaluations.append(evaluation(1.0, 0.55 if value is None else 0.65, value or 90.0))
            trainings.append(training)
    options = Options(subject="accuracy", seeds=3, target=0.6)
    result = contest.record(options, Contest(trainings=trainings, left_out={}))
    # the medians are 40 and 20, and no seed had more than four times
    assert result["ratios"] == {"quick": {"rounds": [3.0, 2.0, 4.0], "median": 3.0, "lowest": 2.0, "highest": 4.0}}
    assert result["contestants"]["quick"]["seconds"] == {"median": 20.0, "lowest": 10.0, "highest": 20.0}
    course = result["contestants"]["course"]
    assert (course["reached"], course["seconds"], course["best_accuracy"]) == (2, None, 0.65)


def evaluation(epochs, found, seconds):
    return Evaluation(
        epochs=epochs,
        accuracy=found,
        seconds=seconds,
        evaluation_seconds=1.0,
        parameters=5,
        batch_size=4,
        waiting_for_data=None,
    )


def ready_after(seconds):
    return Ready(seconds=seconds, cpu_seconds=1.0, parameters=None, device="cpu", threads=2)


def test_the_clock_runs_in_training_and_stands_in_evaluation():
    class Sleeper:
        parameters, batch_size, waiting_for_data = 5, 4, 0.25

        def training(self):
            time.sleep(0.03)  # as a compilation does
            for epochs in (0.5, 1.0):
                time.sleep(0.02)
                yield epochs

        def accuracy(self):
            time.sleep(0.2)
            return 0.5

    learning = Learning(Sleeper())
    first = learning.evaluation()
    time.sleep(0.2)  # another's turn
    second = learning.evaluation()
    assert learning.evaluation() is None
    assert (first["epochs"], second["epochs"], second["accuracy"]) == (0.5, 1.0, 0.5)
    assert 0.05 <= first["seconds"] < first["seconds"] + 0.02 <= second["seconds"] < 0.2
    assert second["evaluation_seconds"] >= 0.4


@pytest.mark.parametrize(
    ("steps_per_epoch", "steps", "due"),
    [(782, 1564, [391, 782, 1173, 1564]), (5, 10, [3, 5, 8, 10]), (1, 2, [1, 2]), (4, 7, [2, 4, 6, 7]), (9, 2, [2])],
)
def test_evaluations_are_due_every_half_epoch(steps_per_epoch, steps, due):
    assert learning.half_epochs(steps_per_epoch, steps) == due


def test_a_shortened_recipe_warms_up_for_the_same_share():
    short = learn_recipe.shortened(QUICK, 4)
    assert (short.epochs, short.warmup_epochs / 4, short.lr) == (4, QUICK.warmup_epochs / QUICK.epochs, QUICK.lr)


@pytest.mark.slow
def test_a_recipe_learns_as_the_command_does(tmp_path):
    flags = ["--recipe", "quick", "--dataset", "digits", "--val-size", "0", "--epochs", "1", "--no-report"]
    warmup = QUICK.warmup_epochs / QUICK.epochs
    out = tmp_path / "run"
    assert train.main([*flags, "--warmup-epochs", str(warmup), "--seed", "3", "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    recipe = learn_recipe.Recipe(Job(subject="accuracy", contestant="quick:1", dataset="digits", seed=3))
    assert [*recipe.training()] == [pytest.approx(21 / 41), 1.0]
    assert recipe.accuracy() == summary["test_accuracy"]
    assert recipe.parameters == summary["parameters"]
    assert 0 <= recipe.waiting_for_data < 1


@pytest.mark.slow
def test_a_recipe_whose_images_stay_on_the_device_learns_the_same(tiny, monkeypatch):
    course = dataclasses.replace(RECIPES["course"], epochs=1)
    monkeypatch.setattr(learn_recipe, "RECIPES", {"fed": course, "held": dataclasses.replace(course, resident=True)})
    recipes = [
        learn_recipe.Recipe(Job(subject="accuracy", contestant=name, dataset="digits")) for name in ("fed", "held")
    ]
    for recipe in recipes:
        assert [*recipe.training()] == [0.5, 1.0]
    fed, held = (recipe._state.params for recipe in recipes)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), held, fed)


def test_a_training_that_diverges_ends(tiny, monkeypatch):
    wild = {"wild": dataclasses.replace(RECIPES["course"], lr=1e30)}
    monkeypatch.setattr(learn_recipe, "RECIPES", wild)
    recipe = learn_recipe.Recipe(Job(subject="accuracy", contestant="wild:2", dataset="digits"))
    assert [*recipe.training()] == []


def test_the_courses_program_and_its_tuned_form_see_the_same(tiny):
    torch = pytorch.torch()
    pytorch.torchvision()
    task = Job(subject="accuracy", contestant="pytorch:2", dataset="digits", seed=1)
    plain, tuned = learn_pytorch.Program(task), learn_pytorch.Tuned(task)
    for ours, theirs in zip(
        tuned._batches(tiny.train, shuffle=False), plain._batches(tiny.train, shuffle=False), strict=True
    ):
        assert [(part.shape, part.dtype) for part in ours] == [(part.shape, part.dtype) for part in theirs]
        assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))
    shuffled = [torch.cat(list(labels)) for labels in _twice(tuned._batches(tiny.train, shuffle=True))]
    assert not torch.equal(*shuffled)
    assert torch.equal(shuffled[0].sort()[0], shuffled[1].sort()[0])
    assert [*plain.training()] == [*tuned.training()] == [0.5, 1.0, 1.5, 2.0]
    tuned._model.load_state_dict(plain._model.state_dict())
    assert plain.accuracy() == tuned.accuracy()


def _twice(batches):
    return [[labels for _, labels in batches] for _ in range(2)]


def test_the_courses_program_learns_with_its_rate(tiny):
    torch = pytorch.torch()
    program = learn_pytorch.Tuned(Job(subject="accuracy", contestant="pytorch_tuned:1", dataset="digits"))
    training = program.training()
    next(training)
    before = [parameter.detach().clone() for parameter in program._model.parameters()]
    next(training)
    for old, parameter in zip(before, program._model.parameters(), strict=True):
        torch.testing.assert_close(parameter, old - 0.01 * parameter.grad)
