"""Prints a contest to an accuracy: a line for each evaluation, and a table at the end."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmark import table
from experiments.benchmark.accuracy import COURSE
from experiments.benchmark.accuracy.contest import Training
from experiments.benchmark.process import Evaluation
from jaxdl.wording import counted


def print_evaluation(console: Console, training: Training, evaluation: Evaluation) -> None:
    """Where one contestant has come."""
    console.print(
        f"seed {training.seed}  {training.contestant:<16}epoch {evaluation.epochs:<5.4g}"
        f"{evaluation.seconds:8.1f} s  {evaluation.accuracy:7.2%}",
        soft_wrap=True,
    )


def print_end(console: Console, training: Training) -> None:
    """Whether it came to the target."""
    told = f"{training.target:.1%} in {training.reached.seconds:.1f} s" if training.reached else _not(training)
    console.print(f"seed {training.seed}  {training.contestant:<16}{told}", style="bold", soft_wrap=True)


def print_learned(console: Console, result: Mapping[str, Any]) -> None:
    """Seconds and ratios of all contestants."""
    contestants, seeds = result["contestants"], result["seeds"]
    console.print()
    facts = [f"training until {result['target']:.1%} of {result['dataset']}'s test images are right"]
    facts += [
        f"at most {result['budget_seconds']:g} s",
        result["precision"],
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}",
    ]
    console.print(", ".join(facts), style="bold")
    if contestants:
        console.print(_drawn(result))
    table.print_left_out(console, result)
    table.print_devices(console, contestants)
    table.print_waiting(console, contestants)
    console.print(
        "\ntraining: median, and lowest to highest of the seeds, to the first evaluation at or above the target, one\n"
        "every half epoch. It begins with all data in memory and nothing compiled; evaluations are taken out of it.\n"
        f"from start: of the process, with imports, data and evaluations. {COURSE} is the course's own program; what\n"
        "it takes is its time over theirs. best: the highest accuracy of all evaluations."
    )


def _drawn(result: Mapping[str, Any]) -> Table:
    contestants, ratios, several = result["contestants"], result["ratios"], result["seeds"] > 1
    ranged = [""] if several else []
    compared = [f"{result['compared_with']} takes", *ranged] if ratios else []
    drawn = table.blank("contestant", "training", *ranged, *compared, "epochs", "from start", "best")
    for name, about in contestants.items():
        cells = [name, *_cells(about["seconds"], ".1f", "s", several)]
        if about["seconds"] is None:
            cells[1] = (
                f"{about['reached']} of {counted(result['seeds'], 'seed')}" if about["reached"] else "not reached"
            )
        if ratios:
            cells += _cells(ratios.get(name), ".2f", "x", several)
        cells.append(f"{about['epochs']['median']:.4g}" if about["epochs"] else "")
        cells += _cells(about["from_start_seconds"], ".1f", "s", False)
        best = about["best_accuracy"]
        drawn.add_row(*cells, "" if best is None else f"{best:.2%}")
    return drawn


def _cells(spread: Mapping[str, float] | None, form: str, unit: str, several: bool) -> list[str]:
    if spread is None:
        return ["", ""] if several else [""]
    return [f"{spread['median']:{form}} {unit}", *([table.spread_of(spread, form)] if several else [])]


def _not(training: Training) -> str:
    best = "" if training.best is None else f" (best {training.best:.2%})"
    return f"not reached in {training.budget:g} s{best}"
