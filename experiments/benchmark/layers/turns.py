"""Programs that take turns, each as fast as it was in its best turn."""

import math
import time
from collections.abc import Callable, Mapping

TURN_SECONDS = 0.05  # that a turn lasts at least: of a quick program, many calls
Run = Callable[[int], object]  # so many calls; returns when the device has finished them


def best(runs: Mapping[str, Run], *, rounds: int, seconds: float = TURN_SECONDS) -> dict[str, float]:
    """Seconds of one call of each, the least of all rounds, in each of which every program has a turn.

    A first call, with compilation, and a second, which says how many calls fill a turn, come before.
    """
    calls, least = {}, dict.fromkeys(runs, math.inf)
    for name, run in runs.items():
        run(1)
        calls[name] = math.ceil(seconds / max(_taken(run, 1), 1e-9))
    for _ in range(rounds):
        for name, run in runs.items():
            least[name] = min(least[name], _taken(run, calls[name]) / calls[name])
    return least


def _taken(run: Run, calls: int) -> float:
    began = time.perf_counter()
    run(calls)
    return time.perf_counter() - began
