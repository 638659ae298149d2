"""How long the command takes to begin, its help and the first training step: measured, recorded and printed."""

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
from experiments.benchmark.contestant import Job
from experiments.benchmark.process import BenchmarkError, Process, environment
from experiments.benchmark.record import Spread

HELP = "--help"
PLAIN, COLD, WARM = "first step, no cache", "first step, cold cache", "first step, warm cache"
STARTS = (HELP, PLAIN, COLD, WARM)


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start. wall_seconds: from the start of the process; cpu_seconds: of all its threads."""

    number: int
    what: str
    wall_seconds: float
    cpu_seconds: float


def run(task: Job, *, rounds: int, on_turn: Callable[[str, str], None] = lambda what, doing: None) -> list[Start]:
    """Every kind of start once in each round, in the order of ``STARTS``.

    The cache is jax's own, of compiled programs: a new folder in each round, which the next start then finds filled.
    Raises BenchmarkError where a process ends or fails.
    """
    found = []
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="jaxdl-compiled-") as folder:
            cache = {
                "JAX_ENABLE_COMPILATION_CACHE": "true",
                "JAX_COMPILATION_CACHE_DIR": folder,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            }
            for what in STARTS:
                on_turn(what, f"round {number} of {rounds}")
                taken = _help() if what == HELP else _first_step(task, cache if what in (COLD, WARM) else {})
                found.append(Start(number=number, what=what, wall_seconds=taken[0], cpu_seconds=taken[1]))
    return found


def record(task: Job, starts: Sequence[Start]) -> dict[str, Any]:
    """The seconds of every kind of start, for the file that the benchmark writes; plain JSON."""
    kinds = {}
    for what in STARTS:
        of_kind = [start for start in starts if start.what == what]
        kinds[what] = {
            "wall_seconds": Spread.of([start.wall_seconds for start in of_kind])._asdict(),
            "cpu_seconds": Spread.of([start.cpu_seconds for start in of_kind])._asdict(),
        }
    return {
        "model": task.model,
        "batch_size": task.batch_size,
        "starts": kinds,
        "rounds": [dataclasses.asdict(start) for start in starts],
    }


def print_starts(console: Console, result: Mapping[str, Any]) -> None:
    """Seconds of every kind of start."""
    console.print()
    console.print(f"start of experiments.cifar, {result['model']}, batch {result['batch_size']}", style="bold")
    drawn = table.blank("start", "wall", "", "CPU", "")
    for what, seconds in result["starts"].items():
        wall, cpu = seconds["wall_seconds"], seconds["cpu_seconds"]
        cells = [(f"{spread['median']:.1f} s", table.spread_of(spread, ".1f")) for spread in (wall, cpu)]
        drawn.add_row(what, *cells[0], *cells[1])
    console.print(drawn)
    console.print(
        "\nMedian, and lowest to highest of the rounds, from the start of the process; CPU is of all threads."
    )


def _first_step(task: Job, changes: dict[str, str]) -> tuple[float, float]:
    with Process(task, environment=changes) as process:
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
