"""Weight files read in a process of their own, and what each cost there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

MOST_SECONDS = 5.0  # of the CPU, for any file
MOST_MEMORY = 2**30  # bytes of the whole process

_PROGRAM = """
import json, resource, sys, time, traceback
import numpy as np
from jaxdl.errors import UserError
from jaxdl.transfer import load_weights, read_checkpoint
reads = {
    "load_weights": lambda path: list(load_weights(path).values()),
    "read_checkpoint": lambda path: [array for each in read_checkpoint(path).values() for array in each.values()],
}
unit = 1 if sys.platform == "darwin" else 1024
for line in sys.stdin:
    read, path = json.loads(line)
    begin = time.process_time()
    message = arrays = array = None
    try:
        arrays = reads[read](path)
        for array in arrays:
            assert isinstance(array, np.ndarray), type(array)
            array[(-1,) * array.ndim] if array.size else None
    except UserError as error:
        message = str(error)
    except BaseException:
        message = traceback.format_exc()
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps([message, seconds, peak]), flush=True)
"""


class Outcome(NamedTuple):
    """``message``: None if arrays were read, else the error's; ``peak``: bytes, the most of the process until then."""

    message: str | None
    seconds: float
    peak: int


def outcomes(paths: list[Path], read: str = "load_weights") -> list[Outcome]:
    """Outcomes of reading the files in one process, one after another."""
    # a process begins with the peak of the one that started it, which here is a shell and not the tests' own
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", _PROGRAM]
    lines = "".join(json.dumps([read, str(path)]) + "\n" for path in paths)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [Outcome(*json.loads(line)) for line in done.stdout.splitlines()]
    assert len(found) == len(paths)
    return found


def assert_cheap(outcome: Outcome, path: Path) -> None:
    """Arrays or one line that names the file, within the time and memory that any file may cost."""
    if outcome.message is not None:
        assert len(outcome.message.splitlines()) == 1, outcome.message
        assert outcome.message.startswith((f"{path}: ", f"{path} is ", f"cannot read {path} ")), outcome.message
        assert len(outcome.message) < 1000 + len(str(path))
    assert outcome.seconds < MOST_SECONDS, (path, outcome)
    assert outcome.peak < MOST_MEMORY, (path, outcome)
