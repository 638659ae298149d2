"""CPU time and memory used by a contestant's process."""

import os
import time
from pathlib import Path


def cpu_seconds() -> float:
    """Of all threads so far, and on Linux of the processes that this one started and that still run."""
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
