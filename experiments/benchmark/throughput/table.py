"""Tables of a race: throughput of each contestant, and ratios."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmark import table
from experiments.benchmark.contestant import OURS

UNKNOWN = "\N{EN DASH}"


def print_race(console: Console, result: Mapping[str, Any]) -> None:
    """Rates and ratios of one network, or of the input."""
    contestants, ratios = result["contestants"], result["ratios"]
    training = result["model"] is not None
    facts = [result["model"] or "input alone", f"batch {result['batch_size']}"]
    if training:
        facts.append(result["precision"])
    if result["parameters"] is not None:
        facts.insert(1, f"{result['parameters']:,} parameters")
    console.print()
    console.print(", ".join(facts), style="bold")
    if contestants:
        console.print(_drawn(contestants, ratios))
    table.print_left_out(console, result)
    if training:
        table.print_devices(console, contestants)
    table.print_waiting(console, contestants)


def print_reading(console: Console) -> None:
    """How the tables of rates are to be read."""
    console.print(
        f"\nimages/s: median, and lowest to highest of the rounds. {OURS} is: its rate over theirs, round by round.\n"
        "cores: those it kept busy. first step: from the start of its process, with imports and compilation."
    )


def _drawn(contestants: Mapping[str, Any], ratios: Mapping[str, Any]) -> Table:
    on_accelerator = any(about["device_peak_bytes"] is not None for about in contestants.values())
    compared = [f"{OURS} is", ""] if ratios else []
    columns = ["contestant", "images/s", "", *compared, "cores", "first step", "memory"]
    drawn = table.blank(*columns, *(["on device"] if on_accelerator else []))
    for name, about in contestants.items():
        rates = about["images_per_second"]
        form = ",.0f" if rates["lowest"] >= 100 else ",.1f"
        cells = [name, f"{rates['median']:{form}}", table.spread_of(rates, form)]
        if name in ratios:
            cells += [f"{ratios[name]['median']:.2f} x", table.spread_of(ratios[name], ".2f")]
        elif ratios:
            cells += ["", ""]
        cells.append(f"{about['cores_busy']['median']:.1f}")
        cells += [f"{about['first_step_seconds']:.1f} s", _bytes(about["peak_bytes"])]
        drawn.add_row(*cells, *([_bytes(about["device_peak_bytes"])] if on_accelerator else []))
    return drawn


def _bytes(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count / 2**20:,.0f} MiB"
