"""How fast it is: ``python -m experiments.benchmark``, beside plain Flax and PyTorch, in one run and turn by turn."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import Console
from tqdm import tqdm

from experiments import flags
from experiments.benchmark import accuracy, learning, learning_record, learning_table, record, start, table
from experiments.benchmark.options import Options
from experiments.benchmark.process import BenchmarkError
from experiments.benchmark.throughput import race, synthetic
from experiments.benchmark.throughput import table as throughput_table
from jaxdl.report.heartbeat import Heartbeat

COMMAND = "experiments.benchmark"
ABOUT = (
    "Measure how fast this project trains, reads its input, starts, or learns to an accuracy, beside plain Flax and "
    "PyTorch where they are installed. Every contestant is a process of its own; they take turns, so that ratios hold "
    "on a busy machine too. The layers of a step take turns in this process."
)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status: 1 where a contestant's process ended."""
    try:
        return flags.exit_status(lambda: _measure(sys.argv[1:] if argv is None else argv))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _measure(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    out = options.settled(given)
    learns, by_layer = options.subject == "accuracy", options.subject == "layers"
    data = learning.load(options.dataset, options.data_dir, progress=True).source if learns else synthetic.WORDS
    found, console = record.about(options, argv, data=data), table.printed_to()
    found["results"] = []
    table.print_about(console, found)
    for model in options.models:
        if by_layer:
            found["results"].append(_by_layer(options, model, console))
            continue
        result = _learned(options, console) if learns else _timed(options, model)
        found["results"].append(result)
        printed = {"start": table.print_starts, "accuracy": learning_table.print_learned}
        printed.get(options.subject, throughput_table.print_race)(console, result)
    if options.subject in ("train", "input"):
        throughput_table.print_reading(console)
    record.write(out, found)
    console.print(f"figures  {out}")


def _timed(options: Options, model: str) -> dict[str, Any]:
    """The figures of one network, of the input, or of the starts."""
    tasks, starts = options.tasks(model), options.subject == "start"
    turns = options.rounds * len(start.STARTS) if starts else (options.rounds + 1) * len(tasks)
    with (
        tqdm(total=turns, unit="turn", leave=False, disable=None, file=sys.stderr) as bar,
        Heartbeat("starting", stream=sys.stderr) as heartbeat,
    ):

        def on_turn(who: str, doing: str) -> None:
            bar.set_description(" ".join(filter(None, (model, who, doing))))
            heartbeat.begin(" ".join(filter(None, (model, who, doing))))
            bar.update(bar.n < bar.total)

        if starts:
            return record.of_starts(tasks[0], start.run(tasks[0], rounds=options.rounds, on_turn=on_turn))
        measured = race.run(tasks, rounds=options.rounds, seconds=options.seconds, on_turn=on_turn)
        return race.record(tasks[0], measured)


def _by_layer(options: Options, model: str, console: Console) -> dict[str, Any]:
    """The figures of one network's layers, printed."""
    from experiments.benchmark.layers import measured, of_step, to_read  # with which comes jax, in no other subject

    with (
        tqdm(unit="part", leave=False, disable=None, file=sys.stderr) as bar,
        Heartbeat(f"{model} compiling", stream=sys.stderr) as heartbeat,
    ):

        def on_part(doing: str, parts: int) -> None:
            heartbeat.begin(f"{model} {doing}")
            bar.update(bar.total is not None)
            bar.total = parts
            bar.set_description(f"{model} {doing}")

        batch_size = options.images_a_step(model)
        step = measured.run(model, batch_size=batch_size, rounds=options.rounds, on_part=on_part)
    result = of_step.record(step)
    to_read.print_step(console, result)
    return result


def _learned(options: Options, console: Console) -> dict[str, Any]:
    """The figures of the contestants that learn, of which each evaluation is told as it comes."""
    console.print()
    with Heartbeat("training to the next evaluation", stream=sys.stderr) as heartbeat:

        def told(line: Callable[..., None], *about: Any) -> None:
            line(console, *about)
            heartbeat.spoke()

        contest = accuracy.run(
            options.tasks(""),
            seeds=options.seeds,
            target=options.target,
            budget=options.budget,
            on_evaluation=partial(told, learning_table.print_evaluation),
            on_end=partial(told, learning_table.print_end),
        )
    return learning_record.of_contest(options, contest)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # which ends the contestants on its way
    sys.exit(main())
