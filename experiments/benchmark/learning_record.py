"""What a contest of those that learn found, for the file that the benchmark writes."""

import dataclasses
from typing import Any

from experiments.benchmark.accuracy import Contest, Training
from experiments.benchmark.contestant import COURSE
from experiments.benchmark.options import Options
from experiments.benchmark.record import Spread, paired_ratios


def of_contest(options: Options, contest: Contest) -> dict[str, Any]:
    """The figures of all contestants; plain JSON.

    A contestant has ``seconds`` to the target only where it came there from every seed: a median of those that did
    would flatter it. Ratios are the seconds of the course's program over each other's from the same seed.
    """
    names = list(dict.fromkeys(training.contestant for training in contest.trainings))
    trainings = {name: [found for found in contest.trainings if found.contestant == name] for name in names}
    seconds = {name: _seconds(found) for name, found in trainings.items() if all(turn.reached for turn in found)}
    reference = next((name for name in seconds if name.partition(":")[0] == COURSE), None)
    ratios = {}
    for name in seconds:
        if reference not in (None, name):
            values = paired_ratios(seconds[reference], seconds[name])
            ratios[name] = {"rounds": values, **Spread.of(values)._asdict()}
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
