"""Prints the results of a benchmark as tables."""

import sys
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.benchmark import machine
from jaxdl.wording import counted

WIDTH = 110  # where the output is no terminal


def printed_to() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)


def print_about(console: Console, about: Mapping[str, Any]) -> None:
    """The machine, the packages and the data."""
    cpu, load = about["machine"], about["machine"]["load_before"]
    usable = f"{cpu['cores_usable']} of " if cpu["cores_usable"] != cpu["cores"] else ""
    cores = usable + counted(cpu["cores"], "core")
    console.print(f"machine   {cpu['cpu']}, {cores}" + ("" if load is None else f"; load before {load:.2f}"))
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    console.print(f"versions  {versions}", soft_wrap=True)
    console.print(f"data      {about['data']}")
    if machine.is_busy(load):
        remedy = "" if about["subject"] == "layers" else " One thread each loses alike: --threads 1."
        console.print(
            "warning   other programs use this machine. They take more from PyTorch, whose threads wait for one\n"
            f"          another at every operation, than from XLA.{remedy}",
            style="yellow",
        )


def print_left_out(console: Console, result: Mapping[str, Any]) -> None:
    """Who cannot take part, and why."""
    for name, reason in result["left_out"].items():
        console.print(f"{name} is left out: {reason}", style="yellow")


def print_devices(console: Console, contestants: Mapping[str, Any]) -> None:
    """A warning where they differ."""
    if len({about["device"] for about in contestants.values()}) > 1:
        listed = ", ".join(f"{name} {about['device']}" for name, about in contestants.items())
        console.print(f"warning   they do not run on the same device: {listed}", style="yellow")


def print_waiting(console: Console, contestants: Mapping[str, Any]) -> None:
    """How long those that say so waited for their next batch."""
    shares = {name: about["waiting_for_data"] for name, about in contestants.items()}
    told = [f"{name} {share:.1%}" for name, share in shares.items() if share is not None]
    if told:
        console.print(f"waiting for data: {', '.join(told)} of the time")


def blank(first: str, *others: str) -> Table:
    """A table with those titles and no rows; what has no title may take two lines."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for title in others:
        table.add_column(title, justify="right", no_wrap=bool(title))  # on a narrow terminal ranges take two lines
    return table


def spread_of(spread: Mapping[str, float], form: str) -> str:
    """From its lowest to its highest."""
    return f"{spread['lowest']:{form}} to {spread['highest']:{form}}"
