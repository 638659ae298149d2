"""Time to accuracy: the clock, the turns, and trainings that are what they are called."""

import dataclasses
import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments import cifar
from experiments.benchmark import accuracy, learning, learning_record
from experiments.benchmark.__main__ import main
from experiments.benchmark.accuracy import Contest, Training
from experiments.benchmark.contestants import LeftOutError, learn_airbench94, learn_pytorch, learn_recipe
from experiments.benchmark.networks import speed_cnn
from experiments.benchmark.options import Options
from experiments.benchmark.process import Evaluation, Ready
from experiments.benchmark.task import Task
from experiments.benchmark.worker import Learning
from experiments.recipes import QUICK, RECIPES
from jaxdl.data.dataset import Dataset
from tests import pytorch
from tests.experiments.short_run import ROOT

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

    monkeypatch.setattr(accuracy, "Process", Fake)
    tasks = [Task(subject="accuracy", contestant=name) for name in ("absent", *accuracies)]
    contest = accuracy.run(tasks, seeds=2, target=0.9, budget=100.0)
    once = ["early", "late", "never"] * 2 + ["late", "never", "late", "never"]  # whose last turn finds it at its end
    assert turns == once * 2
    assert started == [(name, seed) for seed in (0, 1) for name in accuracies]
    assert contest.left_out == {"absent": "torch is not installed"}
    found = {(training.contestant, training.seed): training for training in contest.trainings}
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
    result = learning_record.of_contest(options, Contest(trainings=trainings, left_out={}))
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
    assert cifar.main([*flags, "--warmup-epochs", str(warmup), "--seed", "3", "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    recipe = learn_recipe.Recipe(Task(subject="accuracy", contestant="quick:1", dataset="digits", seed=3))
    assert [*recipe.training()] == [pytest.approx(21 / 41), 1.0]
    assert recipe.accuracy() == summary["test_accuracy"]
    assert recipe.parameters == summary["parameters"]
    assert 0 <= recipe.waiting_for_data < 1


def test_a_training_that_diverges_ends(tiny, monkeypatch):
    wild = {"wild": dataclasses.replace(RECIPES["course"], lr=1e30)}
    monkeypatch.setattr(learn_recipe, "RECIPES", wild)
    recipe = learn_recipe.Recipe(Task(subject="accuracy", contestant="wild:2", dataset="digits"))
    assert [*recipe.training()] == []


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


def test_the_courses_program_and_its_tuned_form_see_the_same(tiny):
    torch = pytorch.torch()
    pytorch.torchvision()
    task = Task(subject="accuracy", contestant="pytorch:2", dataset="digits", seed=1)
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
    program = learn_pytorch.Tuned(Task(subject="accuracy", contestant="pytorch_tuned:1", dataset="digits"))
    training = program.training()
    next(training)
    before = [parameter.detach().clone() for parameter in program._model.parameters()]
    next(training)
    for old, parameter in zip(before, program._model.parameters(), strict=True):
        torch.testing.assert_close(parameter, old - 0.01 * parameter.grad)


def test_airbench94_runs_and_has_the_published_parameters(tiny):
    pytorch.torch()
    method = learn_airbench94.Method(Task(subject="accuracy", contestant="airbench94:2", dataset="digits"))
    assert [*method.training()] == [1.0, 2.0]
    assert method.parameters == 1_971_352  # without the whitening's 288
    assert 0 <= method.accuracy() <= 1


def test_airbench94_whitens_patches(rng):
    torch = pytorch.torch()
    mixed = rng.normal(size=(50, 32, 32, 3)) @ rng.normal(size=(3, 3))
    images = torch.tensor(mixed.astype(np.float32)).permute(0, 3, 1, 2)
    kernel = learn_airbench94.whitening(torch, images)
    seen = torch.nn.functional.conv2d(images, kernel).permute(0, 2, 3, 1).reshape(-1, 24)
    covariance = (seen.T @ seen / len(seen))[:12, :12]
    torch.testing.assert_close(covariance, torch.eye(12), atol=0.02, rtol=0)
    torch.testing.assert_close(seen[:, :12], -seen[:, 12:])


def test_airbench94_has_the_published_rates():
    torch = pytorch.torch()
    rates = [learn_airbench94.rate_at(step, steps=476) for step in range(477)]
    assert (rates[0], rates[109], rates[476]) == (0.2, 1.0, pytest.approx(0.07))
    np.testing.assert_allclose(np.diff(rates[:110]), 0.8 / 109)
    np.testing.assert_allclose(np.diff(rates[109:]), -0.93 / 367)
    model = speed_cnn.pytorch()
    norms, others = learn_airbench94.optimizer_of(torch, model, 1024).param_groups
    kilostep = 1024 * (1 + 1 / 0.15)
    assert (norms["lr"], others["lr"]) == pytest.approx((64 * 11.5 / kilostep, 11.5 / kilostep))
    for group in (norms, others):
        assert group["lr"] * group["weight_decay"] == pytest.approx(0.0153 * 1024 / kilostep)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert {id(parameter) for group in (norms, others) for parameter in group["params"]} == set(map(id, trained))


def test_airbench94_begins_by_handing_channels_on(rng):
    torch = pytorch.torch()
    layer = speed_cnn.pytorch()[2]
    x = torch.tensor(rng.normal(size=(2, 24, 6, 6)).astype(np.float32))
    torch.testing.assert_close(layer(x)[:, :24], x)


def test_lookahead_goes_part_of_the_way_and_back():
    torch = pytorch.torch()
    model = torch.nn.BatchNorm1d(2)
    slow = learn_airbench94.Lookahead(torch, model)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(8.0)
    slow.pull(0.75)  # of 1 and 3; of 0 and 8
    assert (model.weight.tolist(), model.running_mean.tolist()) == ([1.5, 1.5], [2.0, 2.0])
    with torch.no_grad():
        model.weight.fill_(9.0)
    slow.pull(1.0)
    assert model.weight.tolist() == [1.5, 1.5]


def test_shifts_reach_every_place_of_the_padding(rng):
    torch = pytorch.torch()
    torch.manual_seed(0)
    padded = torch.arange(10.0 * 10).reshape(1, 1, 10, 10).expand(500, 3, 10, 10)
    seen = learn_airbench94.shifted(torch, padded)
    assert seen.shape == (500, 3, 6, 6)
    corners = {divmod(int(value), 10) for value in seen[:, 0, 0, 0]}
    assert corners == set(itertools.product(range(5), repeat=2))
    first = seen[0, 0]
    torch.testing.assert_close(first - first[0, 0], padded[0, 0, :6, :6])


def test_airbench94_shows_each_image_one_way_round_and_then_the_other(tiny, monkeypatch):
    torch = pytorch.torch()
    monkeypatch.setattr(learn_airbench94, "shifted", lambda torch, padded: padded[:, :, 2:-2, 2:-2])
    monkeypatch.setattr(torch, "randperm", lambda count, device: torch.arange(count))
    seen = []
    network = speed_cnn.pytorch

    def watched():
        model = network()
        model.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].clone()))
        return model

    monkeypatch.setattr(speed_cnn, "pytorch", watched)
    method = learn_airbench94.Method(Task(subject="accuracy", contestant="airbench94:3", dataset="digits"))
    for _ in method.training():
        pass
    first, second, third = seen
    assert torch.equal(second, first.flip(3))
    assert torch.equal(third, first)
    original = method._normalized(tiny.train.images, *learn_airbench94.channel_statistics(tiny.train.images))
    as_it_was = [torch.equal(*pair) for pair in zip(first, original, strict=True)]
    assert 20 < sum(as_it_was) < 76


def test_the_views_of_airbench94_have_their_weights(tiny):
    torch = pytorch.torch()
    method = learn_airbench94.Method(Task(subject="accuracy", contestant="airbench94:1", dataset="digits"))
    ramp = torch.arange(32.0).expand(40, 3, 32, 32)  # rises to the right; its mirror image falls
    shown = []

    class Corner(torch.nn.Module):
        def forward(self, x):
            shown.append(x[0, 0, 0, :2].tolist())
            return x[:, 0, 0, :1] * torch.eye(10)[1]

    method._model, method._test = Corner(), (ramp, torch.ones(40, dtype=torch.long))
    assert method.accuracy() == 1.0
    # as it is; shifted so that the reflected column and row come in; and the other way; each mirrored too
    assert shown == [[0, 1], [31, 30], [1, 0], [30, 29], [1, 2], [30, 31]]
