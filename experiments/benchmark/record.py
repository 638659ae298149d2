"""Results of a benchmark, as the JSON file that it writes."""

import dataclasses
import json
import os
import shlex
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmark import machine
from experiments.benchmark.options import Options
from jaxdl.errors import UserError


class Spread(NamedTuple):
    """The middle of some values, and the outermost: several rounds' figures as one, with what they vary by."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Ours over theirs, round by round: a slow minute of the machine's is in both, and goes out of the ratio."""
    values = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {"rounds": values, **Spread.of(values)._asdict()}


def about(options: Options, argv: Sequence[str], *, data: str) -> dict[str, Any]:
    """Command, settings, machine and versions, before anything is measured; plain JSON. data: in words."""
    return {
        "command": shlex.join(["python", "-m", "experiments.benchmark", *argv]),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "subject": options.subject,
        "settings": dataclasses.asdict(options),
        "data": data,
        "machine": {
            "cpu": machine.cpu_model(),
            "cores": os.cpu_count(),
            "cores_usable": machine.cores(),
            "load_before": machine.load(),
        },
        "versions": machine.versions(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Raises UserError where it cannot be written; never writes over a file."""
    try:
        with path.open("x") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
    except OSError as error:
        raise UserError(f"the figures above could not be written to {path}: {error.strerror or error}.") from error
