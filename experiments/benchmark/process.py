"""A contestant's process, as the benchmark holds it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmark.contestant import Job, LeftOutError

ROOT = Path(__file__).resolve().parents[2]
MODULE = "experiments.benchmark.worker"
ENVIRONMENT = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # several processes share an accelerator
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # the time to a first step is one with compilation
}
INDUCTOR_CACHE = "TORCHINDUCTOR_CACHE_DIR"  # of torch.compile; an empty folder, for the same reason


class BenchmarkError(Exception):
    """The benchmark cannot go on: a contestant ended, failed, or is not what it says. One line."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A contestant after its first step; one that learns, before it begins.

    seconds: from the start of its process, imports included, and compilation where a step was run; cpu_seconds: of all
    its threads meanwhile. parameters, device, threads: as ``Contestant`` has them.
    """

    seconds: float
    cpu_seconds: float
    parameters: int | None
    device: str
    threads: int | None


@dataclass(frozen=True, kw_only=True)
class Round:
    """Measurements of one contestant's turn, during which the others wait.

    cpu_seconds: of all threads of its process and of the processes it started. peak_bytes, device_peak_bytes: peak
    memory so far, of its process alone and of an accelerator. waiting_for_data: as in ``Contestant``.
    """

    images: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int | None
    device_peak_bytes: int | None
    waiting_for_data: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How far a contestant that learns has come.

    epochs: done so far. accuracy: on the test split, 0 to 1. seconds: of training so far, from its begin, compilation
    included; evaluation_seconds: of evaluations so far, which are not in it. The others: as ``Learner`` has them.
    """

    epochs: float
    accuracy: float
    seconds: float
    evaluation_seconds: float
    parameters: int
    batch_size: int
    waiting_for_data: float | None


class Process:
    """One contestant in a process of its own; a context, in which ``ready`` is known.

    Entering starts it and waits until it is ready. Raises LeftOutError where it cannot take part,
    BenchmarkError where it ends or fails. Leaving ends it and all that it started.
    environment: variables it has beside this process's; one that is None is taken away.
    """

    def __init__(self, task: Job, *, environment: Mapping[str, str | None] | None = None):
        self.task, self._environment = task, {**ENVIRONMENT, **(environment or {})}

    def __enter__(self) -> "Process":
        began = time.perf_counter()
        self._folder = tempfile.TemporaryDirectory(prefix="jaxdl-benchmark-", ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, self.task.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment({INDUCTOR_CACHE: self._folder.name, **self._environment}),
            start_new_session=True,  # Ctrl-C is for the benchmark, which then ends them all
        )
        try:
            answer = self._answer("ready")
            self.ready = Ready(seconds=time.perf_counter() - began, **answer)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def round(self, seconds: float) -> Round:
        """Has it work for at least so long, and waits for it. Raises BenchmarkError where it ends or fails."""
        return Round(**self._asked({"seconds": seconds}, "round"))

    def evaluation(self) -> Evaluation | None:
        """Has it train to its next evaluation; None where its training is over. Raises as ``round``."""
        answer = self._asked({}, "evaluation")
        return None if answer is None else Evaluation(**answer)

    def _asked(self, request: dict[str, Any], kind: str) -> dict[str, Any] | None:
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        return self._answer(kind)

    def _answer(self, kind: str) -> dict[str, Any] | None:
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise self._ended()
        answer = json.loads(line)
        if "left_out" in answer:
            raise LeftOutError(answer["left_out"])
        if "failed" in answer:
            raise BenchmarkError(f"{self._name} failed: {answer['failed']}")
        return answer[kind]

    @property
    def _name(self) -> str:
        return f"{self.task.contestant} ({self.task.model or self.task.subject})"

    def _ended(self) -> BenchmarkError:
        status = self._process.wait()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        self._errors.seek(0)
        said = [line.strip() for line in self._errors.read()[-10_000:].splitlines() if line.strip()]
        return BenchmarkError(f"the process of {self._name} ended {how}{': ' + said[-1] if said else '.'}")

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it may have ended, and what it started too
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):  # of a request that was never read
                stream.close()
        self._folder.cleanup()


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's variables with ``changes``, and this project where Python finds it."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    changed = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **changes}
    return {name: value for name, value in changed.items() if value is not None}
