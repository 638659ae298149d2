"""The machine and the packages that a figure is of, and what a process takes of them."""

import importlib.metadata
import os
import platform
import time
from pathlib import Path

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch", "torchvision")
BUSY = 0.25  # processes that want a core, for each there is, from which a measurement is disturbed


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model name of the processor."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """Processes that wanted a core over the last minute, on average; None where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def is_busy(load: float | None) -> bool:
    """Whether others use the machine too, by the load before the benchmark began."""
    return load is not None and load > BUSY * cores()


def versions() -> dict[str, str]:
    """Of Python and of the packages that matter, less those that are not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cpu_seconds() -> float:
    """This process's: of all threads so far, and on Linux of the processes that this one started and that still run."""
    total, ticks = time.process_time(), os.sysconf("SC_CLK_TCK")
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[2]) == os.getpgrp() and int(status.parent.name) != os.getpid():
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def peak_bytes() -> int | None:
    """The most memory this process alone ever held; None where the system does not say.

    ``getrusage`` would not do: on Linux it begins with the memory of the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None
