"""How long a process takes to the end of its first training step, beside its peers: measured, recorded and printed."""

import dataclasses
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from experiments.benchmark import table
from experiments.benchmark.contestant import OURS, Job, LeftOutError
from experiments.benchmark.process import BenchmarkError, Process, environment
from experiments.benchmark.record import Spread, ratio
from experiments.benchmark.startup import OF_JAX

HELP, COLD, WARM = "--help", "first step, cold", "first step, warm"


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start. wall_seconds: from the start of the process; cpu_seconds: of all its threads."""

    number: int
    contestant: str
    what: str
    wall_seconds: float
    cpu_seconds: float


def turns(tasks: Sequence[Job]) -> list[tuple[Job, str]]:
    """The starts of a round, in their order: our command's help, then each contestant, again where a cache helps it."""
    of_help = [(task, HELP) for task in tasks if task.contestant == OURS]
    return of_help + [(task, what) for task in tasks for what in (COLD, *([WARM] if task.contestant in OF_JAX else []))]


def run(
    tasks: Sequence[Job], *, rounds: int, on_turn: Callable[[str, str], None] = lambda what, doing: None
) -> tuple[list[Start], dict[str, str]]:
    """Every start of ``turns`` once in each round, and why who is left out is.

    The cache is jax's own, of compiled programs: a new folder for each contestant in each round, which its next start
    then finds filled. Raises BenchmarkError where a process ends or fails.
    """
    found: list[Start] = []
    left_out: dict[str, str] = {}
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="jaxdl-compiled-") as folder:
            for task, what in turns(tasks):
                name = task.contestant
                if name in left_out:
                    continue
                on_turn(name, f"{what}, round {number} of {rounds}")
                try:
                    wall, cpu = _help() if what == HELP else _first_step(task, f"{folder}/{name}")
                except LeftOutError as reason:
                    left_out[name] = str(reason)
                    continue
                found.append(Start(number=number, contestant=name, what=what, wall_seconds=wall, cpu_seconds=cpu))
    return found, left_out


def record(task: Job, starts: Sequence[Start], left_out: Mapping[str, str]) -> dict[str, Any]:
    """The seconds of every kind of start, for the file that the benchmark writes; plain JSON.

    Ratios are ours over each peer's in the same round, of the starts that both have.
    """
    seconds: dict[str, dict[str, list[Start]]] = {}
    for start in starts:
        seconds.setdefault(start.contestant, {}).setdefault(start.what, []).append(start)
    return {
        "model": task.model,
        "batch_size": task.batch_size,
        "starts": {
            name: {
                what: {
                    "wall_seconds": Spread.of(_wall(made))._asdict(),
                    "cpu_seconds": Spread.of([start.cpu_seconds for start in made])._asdict(),
                }
                for what, made in kinds.items()
            }
            for name, kinds in seconds.items()
        },
        "ratios": {
            name: {
                what: ratio(_wall(seconds[OURS][what]), _wall(made))
                for what, made in kinds.items()
                if what in seconds.get(OURS, {})
            }
            for name, kinds in seconds.items()
            if name != OURS
        },
        "left_out": dict(left_out),
        "rounds": [dataclasses.asdict(start) for start in starts],
    }


def print_starts(console: Console, result: Mapping[str, Any]) -> None:
    """Seconds of every kind of start, and ours over theirs."""
    console.print()
    console.print(f"start, {result['model']}, batch {result['batch_size']}", style="bold")
    drawn = table.blank("start", "", "wall", "", f"{OURS} takes", "CPU", "")
    for name, kinds in result["starts"].items():
        for what, seconds in kinds.items():
            wall, cpu = (seconds[kind] for kind in ("wall_seconds", "cpu_seconds"))
            times = result["ratios"].get(name, {}).get(what)
            cells = [(f"{spread['median']:.1f} s", table.spread_of(spread, ".1f")) for spread in (wall, cpu)]
            drawn.add_row(name, what, *cells[0], f"{times['median']:.2f} x" if times else "", *cells[1])
    console.print(drawn)
    table.print_left_out(console, result)
    console.print(
        "\nMedian, and lowest to highest of the rounds, from the start of the process; CPU is of all threads.\n"
        "Cold: with an empty cache of compiled programs; warm: with that which the cold start left."
    )


def _wall(starts: Sequence[Start]) -> list[float]:
    return [start.wall_seconds for start in starts]


def _first_step(task: Job, cache: str) -> tuple[float, float]:
    kept = {
        "JAX_ENABLE_COMPILATION_CACHE": "true",
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    with Process(task, environment=kept) as process:
        return process.ready.seconds, process.ready.cpu_seconds


def _help() -> tuple[float, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cifar", "--help"], capture_output=True, text=True, env=environment({})
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise BenchmarkError(f"--help ended with status {done.returncode}.")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
