"""How fast it is: ``python -m experiments.benchmark``, beside plain Flax and PyTorch, in one run and turn by turn."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from tqdm import tqdm

from experiments.benchmark import record, table
from experiments.benchmark.accuracy import contest, learning
from experiments.benchmark.accuracy.table import print_end, print_evaluation, print_learned
from experiments.benchmark.options import Options
from experiments.benchmark.process import BenchmarkError
from experiments.benchmark.startup import starts
from experiments.benchmark.throughput import race, synthetic
from experiments.benchmark.throughput.table import print_race, print_reading
from jaxdl.report.heartbeat import Heartbeat
from jaxdl.run import flags
from jaxdl.run.status import exit_status

COMMAND = "experiments.benchmark"
ABOUT = (
    "Measure how fast this project trains, loads data, starts, or reaches an accuracy, compared with plain Flax and "
    "PyTorch if they are installed. Each contestant runs in its own process; they take turns, so that ratios hold on a "
    "busy machine too. The layers of a step take turns in this process."
)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status: 1 where a contestant's process ended."""
    try:
        return exit_status(lambda: _measure(sys.argv[1:] if argv is None else argv), Options)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _measure(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    out = options.settled(given)
    learns = options.subject == "accuracy"
    data = learning.load(options.dataset, options.data_dir, progress=True).source if learns else synthetic.WORDS
    found, console = record.about(options, argv, data=data), table.printed_to()
    found["results"] = []
    table.print_about(console, found)
    measured = {"start": _starts, "accuracy": _contest, "layers": _layers}.get(options.subject, _race)
    for model in options.models:
        found["results"].append(measured(options, model, console))
    if measured is _race:
        print_reading(console)
    record.write(out, found)
    console.print(f"figures  {out}")


def _race(options: Options, model: str, console: Console) -> dict[str, Any]:
    """The figures of one network, or of the input, printed."""
    tasks = options.tasks(model)
    with _turns(model, (options.rounds + 1) * len(tasks)) as on_turn:
        measured = race.run(tasks, rounds=options.rounds, seconds=options.seconds, on_turn=on_turn)
    result = race.record(tasks[0], measured)
    print_race(console, result)
    return result


def _starts(options: Options, model: str, console: Console) -> dict[str, Any]:
    """The figures of the starts, printed."""
    tasks = options.tasks(model)
    with _turns(model, options.rounds * len(starts.turns(tasks))) as on_turn:
        measured, left_out = starts.run(tasks, rounds=options.rounds, on_turn=on_turn)
    result = starts.record(tasks[0], measured, left_out)
    starts.print_starts(console, result)
    return result


def _layers(options: Options, model: str, console: Console) -> dict[str, Any]:
    """The figures of one network's layers, printed."""
    from experiments.benchmark.layers import breakdown  # with which comes jax, in no other subject
    from experiments.benchmark.layers.table import print_step

    with _progress("part", f"{model} compiling") as (bar, heartbeat):

        def on_part(doing: str, parts: int) -> None:
            heartbeat.begin(f"{model} {doing}")
            bar.update(bar.total is not None)
            bar.total = parts
            bar.set_description(f"{model} {doing}")

        batch_size = options.images_a_step(model)
        step = breakdown.run(model, batch_size=batch_size, rounds=options.rounds, on_part=on_part)
    result = breakdown.record(step)
    print_step(console, result)
    return result


def _contest(options: Options, model: str, console: Console) -> dict[str, Any]:
    """The figures of the contestants that learn, of which each evaluation is told as it comes, printed."""
    console.print()
    with Heartbeat("training to the next evaluation", stream=sys.stderr) as heartbeat:

        def told(line: Callable[..., None], *about: Any) -> None:
            line(console, *about)
            heartbeat.spoke()

        learned = contest.run(
            options.tasks(model),
            seeds=options.seeds,
            target=options.target,
            budget=options.budget,
            on_evaluation=partial(told, print_evaluation),
            on_end=partial(told, print_end),
        )
    result = contest.record(options, learned)
    print_learned(console, result)
    return result


@contextmanager
def _turns(model: str, total: int) -> Iterator[Callable[[str, str], None]]:
    """Progress in turns; hands out what is to be called with who has one, and with what."""
    with _progress("turn", "starting", total=total) as (bar, heartbeat):

        def on_turn(who: str, doing: str) -> None:
            words = " ".join(filter(None, (model, who, doing)))
            bar.set_description(words)
            heartbeat.begin(words)
            bar.update(bar.n < bar.total)

        yield on_turn


@contextmanager
def _progress(unit: str, first: str, *, total: int | None = None) -> Iterator[tuple[tqdm, Heartbeat]]:
    """A bar on a terminal, and lines now and then elsewhere. first: what is done before anything is told."""
    with (
        tqdm(total=total, unit=unit, leave=False, disable=None, file=sys.stderr) as bar,
        Heartbeat(first, stream=sys.stderr) as heartbeat,
    ):
        yield bar, heartbeat


if __name__ == "__main__":
    sys.exit(main())
