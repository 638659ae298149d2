"""Time to accuracy: contestants that train from nothing, turn by turn, until the test split says they are there."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from experiments.benchmark.accuracy import COURSE
from experiments.benchmark.contestant import Job, LeftOutError
from experiments.benchmark.options import Options
from experiments.benchmark.process import Evaluation, Process, Ready
from experiments.benchmark.record import Spread, ratio


@dataclass(frozen=True, kw_only=True)
class Training:
    """One contestant's training from one seed. target: accuracy, 0 to 1. budget: seconds of training."""

    contestant: str
    seed: int
    target: float
    budget: float
    ready: Ready
    evaluations: list[Evaluation] = field(default_factory=list)

    @property
    def reached(self) -> Evaluation | None:
        """The first evaluation at or above the target; None if it did not come within the budget."""
        within = (found for found in self.evaluations if found.seconds <= self.budget)
        return next((found for found in within if found.accuracy >= self.target), None)

    @property
    def best(self) -> float | None:
        """The highest accuracy there was; None before the first evaluation."""
        return max((found.accuracy for found in self.evaluations), default=None)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to be had from going on."""
        spent = bool(self.evaluations) and self.evaluations[-1].seconds >= self.budget
        return spent or self.reached is not None

    def from_start(self, evaluation: Evaluation) -> float:
        """Seconds from the start of its process to the end of that evaluation, without the turns of others."""
        return self.ready.seconds + evaluation.seconds + evaluation.evaluation_seconds


@dataclass(frozen=True, kw_only=True)
class Contest:
    """trainings: seed by seed. left_out: reasons by contestant."""

    trainings: list[Training]
    left_out: dict[str, str]


def run(
    tasks: Sequence[Job],
    *,
    seeds: int,
    target: float,
    budget: float,
    on_evaluation: Callable[[Training, Evaluation], None] = lambda training, evaluation: None,
    on_end: Callable[[Training], None] = lambda training: None,
) -> Contest:
    """From each seed all contestants, each in a new process, which nothing compiled outlives.

    A turn is the training up to the next evaluation, half an epoch, and that evaluation. Who has reached the target or
    spent the budget has no more turns. on_end: called with a training that is over. Raises BenchmarkError where a
    process ends or fails.
    """
    trainings, left_out = [], {}
    for seed in range(seeds):
        with ExitStack() as stack:
            learning: list[tuple[Training, Process]] = []
            for task in tasks:
                name = task.contestant
                if name in left_out:
                    continue
                try:
                    process = stack.enter_context(Process(dataclasses.replace(task, seed=seed)))
                except LeftOutError as reason:
                    left_out[name] = str(reason)
                    continue
                training = Training(contestant=name, seed=seed, target=target, budget=budget, ready=process.ready)
                learning.append((training, process))
                trainings.append(training)
            while learning:
                for turn in list(learning):
                    training, process = turn
                    evaluation = process.evaluation()
                    if evaluation is not None:
                        training.evaluations.append(evaluation)
                        on_evaluation(training, evaluation)
                    if evaluation is None or training.is_over:
                        learning.remove(turn)
                        on_end(training)
    return Contest(trainings=trainings, left_out=left_out)


def record(options: Options, contest: Contest) -> dict[str, Any]:
    """The figures of all contestants, for the file that the benchmark writes; plain JSON.

    A contestant has ``seconds`` to the target only where it came there from every seed: a median of those that did
    would flatter it. Ratios are the seconds of the course's program over each other's from the same seed.
    """
    names = list(dict.fromkeys(training.contestant for training in contest.trainings))
    trainings = {name: [found for found in contest.trainings if found.contestant == name] for name in names}
    seconds = {name: _seconds(found) for name, found in trainings.items() if all(turn.reached for turn in found)}
    reference = next((name for name in seconds if name.partition(":")[0] == COURSE), None)
    peers = [name for name in seconds if reference not in (None, name)]
    ratios = {name: ratio(seconds[reference], seconds[name]) for name in peers}
    return {
        "target": options.target,
        "budget_seconds": options.budget,
        "seeds": options.seeds,
        "dataset": options.dataset,
        "precision": options.precision,
        "contestants": {name: _contestant(found) for name, found in trainings.items()},
        "compared_with": reference,
        "ratios": ratios,
        "left_out": contest.left_out,
        "trainings": [_training(found) for found in contest.trainings],
    }


def _seconds(trainings: list[Training]) -> list[float]:
    return [training.reached.seconds for training in trainings]


def _contestant(trainings: list[Training]) -> dict[str, Any]:
    reached = [training for training in trainings if training.reached]
    everywhere = len(reached) == len(trainings)
    ready, evaluated = trainings[0].ready, [training.evaluations[-1] for training in trainings if training.evaluations]
    last = evaluated[-1] if evaluated else None
    from_start = [training.from_start(training.reached) for training in reached]
    epochs = [training.reached.epochs for training in reached]
    return {
        "reached": len(reached),
        "seconds": Spread.of(_seconds(reached))._asdict() if everywhere else None,
        "from_start_seconds": Spread.of(from_start)._asdict() if everywhere else None,
        "epochs": Spread.of(epochs)._asdict() if everywhere else None,
        "best_accuracy": max((found.best for found in trainings if found.best is not None), default=None),
        "parameters": last.parameters if last else None,
        "batch_size": last.batch_size if last else None,
        "waiting_for_data": last.waiting_for_data if last else None,
        "device": ready.device,
        "threads": ready.threads,
    }


def _training(training: Training) -> dict[str, Any]:
    reached = training.reached
    return {
        "contestant": training.contestant,
        "seed": training.seed,
        "reached": reached is not None,
        "seconds": reached.seconds if reached else None,
        "from_start_seconds": training.from_start(reached) if reached else None,
        "best_accuracy": training.best,
        "before_training_seconds": training.ready.seconds,
        "evaluations": [
            {
                name: value
                for name, value in dataclasses.asdict(evaluation).items()
                if name not in ("parameters", "batch_size")
            }
            for evaluation in training.evaluations
        ],
    }
