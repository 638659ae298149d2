"""How fast it is: ``python -m experiments.benchmark``, beside plain Flax and PyTorch, in one run and turn by turn."""

import signal
import sys

from tqdm import tqdm

from experiments import flags
from experiments.benchmark import race, record, start, table
from experiments.benchmark.options import Options
from experiments.benchmark.process import BenchmarkError

COMMAND = "experiments.benchmark"
ABOUT = (
    "Measure how fast this project trains, reads its input or starts, beside plain Flax and PyTorch where they are "
    "installed. Every contestant is a process of its own; they take turns, so that ratios hold on a busy machine too."
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
    found, console = record.about(options, argv), table.printed_to()
    found["results"] = []
    table.print_about(console, found)
    for model in options.models:
        tasks = options.tasks(model)
        starts = options.subject == "start"
        turns = options.rounds * len(start.STARTS) if starts else (options.rounds + 1) * len(tasks)
        with tqdm(total=turns, unit="turn", leave=False, disable=None, file=sys.stderr) as bar:

            def on_turn(who: str, doing: str, bar: tqdm = bar, model: str = model) -> None:
                bar.set_description(" ".join(filter(None, (model, who, doing))))
                bar.update(bar.n < bar.total)

            if starts:
                result = record.of_starts(tasks[0], start.run(tasks[0], rounds=options.rounds, on_turn=on_turn))
            else:
                measured = race.run(tasks, rounds=options.rounds, seconds=options.seconds, on_turn=on_turn)
                result = record.of_race(tasks[0], measured)
        found["results"].append(result)
        (table.print_starts if starts else table.print_race)(console, result)
    if options.subject != "start":
        table.print_reading(console)
    record.write(out, found)
    console.print(f"figures  {out}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # which ends the contestants on its way
    sys.exit(main())
