"""Time to accuracy: contestants that train from nothing, turn by turn, until the test split says they are there."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from experiments.benchmark.contestant import LeftOutError, Task
from experiments.benchmark.process import Evaluation, Process, Ready


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
    tasks: Sequence[Task],
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
                    process = stack.enter_context(Process(replace(task, seed=seed)))
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
