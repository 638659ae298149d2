"""Contestants that take turns: A B C, A B C, ... so that what disturbs the machine disturbs them all."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from experiments.benchmark.contestant import OURS, Job, LeftOutError
from experiments.benchmark.process import BenchmarkError, Process, Ready, Round
from experiments.benchmark.record import Spread, ratio

WARM_UP_SECONDS = 1.0  # at most, beside the first step


@dataclass(frozen=True, kw_only=True)
class Lap:
    """One contestant's turn. number: of the round, from 1. began: seconds since the first round began."""

    number: int
    contestant: str
    began: float
    round: Round

    @property
    def images_per_second(self) -> float:
        """Its rate in this turn."""
        return self.round.images / self.round.seconds


@dataclass(frozen=True, kw_only=True)
class Race:
    """ready, left_out: by contestant. laps: in the order in which they were run."""

    ready: dict[str, Ready]
    left_out: dict[str, str]
    laps: list[Lap]

    def rates(self, contestant: str) -> list[float]:
        """Images a second, a value for each round."""
        return [lap.images_per_second for lap in self.laps if lap.contestant == contestant]

    @property
    def parameters(self) -> int | None:
        """How many numbers the contestants train."""
        return next((ready.parameters for ready in self.ready.values()), None)


def run(
    tasks: Sequence[Job],
    *,
    rounds: int,
    seconds: float,
    on_turn: Callable[[str, str], None] = lambda contestant, doing: None,
) -> Race:
    """The contestants' processes, started and warmed up one by one, then all rounds.

    on_turn: called with a contestant and what it is about to do. Raises BenchmarkError where one ends or fails, and
    where they do not train as many parameters.
    """
    ready, left_out, laps = {}, {}, []
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for task in tasks:
            name = task.contestant
            on_turn(name, "first step")
            try:
                process = stack.enter_context(Process(task))
            except LeftOutError as reason:
                left_out[name] = str(reason)
                continue
            processes[name], ready[name] = process, process.ready
            process.round(min(seconds, WARM_UP_SECONDS))
        _check_alike(ready)
        started = time.perf_counter()
        for number in range(1, rounds + 1):
            for name, process in processes.items():
                on_turn(name, f"round {number} of {rounds}")
                began = time.perf_counter() - started
                laps.append(Lap(number=number, contestant=name, began=began, round=process.round(seconds)))
    return Race(ready=ready, left_out=left_out, laps=laps)


def record(task: Job, race: Race) -> dict[str, Any]:
    """The figures of one network, or of the input, for the file that the benchmark writes; plain JSON.

    Rates are images a second; ratios are ours over each peer's in the same round. ``rounds`` are in the order in which
    they were run.
    """
    contestants = {name: _contestant(race, name) for name in race.ready}
    peers = [name for name in race.ready if name != OURS] if OURS in race.ready else []
    ratios = {name: ratio(race.rates(OURS), race.rates(name)) for name in peers}
    return {
        "model": task.model or None,
        "batch_size": task.batch_size,
        "precision": task.precision,
        "parameters": race.parameters,
        "contestants": contestants,
        "ratios": ratios,
        "left_out": race.left_out,
        "rounds": [
            {
                "number": lap.number,
                "contestant": lap.contestant,
                "began": lap.began,
                "images": lap.round.images,
                "seconds": lap.round.seconds,
                "cpu_seconds": lap.round.cpu_seconds,
            }
            for lap in race.laps
        ],
    }


def _check_alike(ready: dict[str, Ready]) -> None:
    counts = {name: found.parameters for name, found in ready.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise BenchmarkError(f"the contestants do not train the same network; parameters: {listed}.")


def _contestant(race: Race, name: str) -> dict[str, Any]:
    ready, rates = race.ready[name], race.rates(name)
    turns = [lap.round for lap in race.laps if lap.contestant == name]
    last = turns[-1]
    return {
        "images_per_second": {"rounds": rates, **Spread.of(rates)._asdict()},
        "cores_busy": Spread.of([turn.cpu_seconds / turn.seconds for turn in turns])._asdict(),
        "first_step_seconds": ready.seconds,
        "peak_bytes": last.peak_bytes,
        "device_peak_bytes": last.device_peak_bytes,
        "waiting_for_data": last.waiting_for_data,
        "device": ready.device,
        "threads": ready.threads,
    }
