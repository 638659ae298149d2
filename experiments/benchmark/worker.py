"""The process of one contestant: reads a line, does what it says, answers with a line.

Started as ``python -m experiments.benchmark.worker TASK``. It makes the contestant, runs one step and says ``ready``,
``left_out`` or ``failed``; then each line ``{"seconds": X}`` is a round. One that learns runs no step before it is
ready; each line has it train to its next evaluation. It ends with its input.
"""

import json
import math
import os
import sys
import time
import traceback
from typing import Any, TextIO

from experiments.benchmark import machine
from experiments.benchmark.contestant import Contestant, Job, Learner, LeftOutError, create


def main() -> int:
    """Serves until the input ends; returns the exit status."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    try:
        _serve(Job.from_json(sys.argv[1]), sys.stdin, answers)
    except LeftOutError as reason:
        _answer(answers, left_out=_line(str(reason)))
    except Exception as error:
        traceback.print_exc()
        _answer(answers, failed=_line(f"{type(error).__name__}: {error}"))
        return 1
    return 0


class Rounds:
    """Rounds of one contestant that each last at least as long as they are told."""

    def __init__(self, contestant: Contestant):
        self._contestant = contestant
        self._rate: float | None = None  # steps a second in the round before

    def run(self, seconds: float) -> tuple[int, float]:
        """Images, and the seconds they took. Steps are waited for in as few groups as can be foreseen."""
        steps, elapsed, began = 0, 0.0, time.perf_counter()
        while not steps or elapsed < seconds:
            group = math.ceil((seconds - elapsed) * self._rate) if self._rate else 2
            group = max(group, 1)
            self._contestant.run(group)
            steps += group
            elapsed = time.perf_counter() - began
            self._rate = steps / elapsed
        return steps * self._contestant.batch_size, elapsed


class Learning:
    """The training of one contestant, and what it has taken so far. The clock starts when it begins to train."""

    def __init__(self, learner: Learner):
        self._learner, self._training = learner, learner.training()
        self._seconds = self._evaluation_seconds = 0.0

    def evaluation(self) -> dict[str, Any] | None:
        """Trains to the next evaluation and evaluates; what ``process.Evaluation`` has, None where training is over."""
        began = time.perf_counter()
        epochs = next(self._training, None)
        trained = time.perf_counter()
        self._seconds += trained - began
        if epochs is None:
            return None
        accuracy = self._learner.accuracy()
        self._evaluation_seconds += time.perf_counter() - trained
        return {
            "epochs": epochs,
            "accuracy": accuracy,
            "seconds": self._seconds,
            "evaluation_seconds": self._evaluation_seconds,
            "parameters": self._learner.parameters,
            "batch_size": self._learner.batch_size,
            "waiting_for_data": self._learner.waiting_for_data,
        }


def _serve(task: Job, requests: TextIO, answers: TextIO) -> None:
    if task.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.threads])
    contestant = create(task)
    learns = task.subject == "accuracy"
    if not learns:
        contestant.run(1)
    _answer(
        answers,
        ready={
            "cpu_seconds": machine.cpu_seconds(),
            "parameters": contestant.parameters,
            "device": contestant.device,
            "threads": contestant.threads,
        },
    )
    if learns:
        learning = Learning(contestant)
        for _ in requests:
            _answer(answers, evaluation=learning.evaluation())
        return
    rounds = Rounds(contestant)
    for line in requests:
        before = machine.cpu_seconds()
        images, seconds = rounds.run(json.loads(line)["seconds"])
        used = {"cpu_seconds": machine.cpu_seconds() - before, "peak_bytes": machine.peak_bytes()}
        used["device_peak_bytes"] = contestant.device_bytes()
        used["waiting_for_data"] = contestant.waiting_for_data
        _answer(answers, round={"images": images, "seconds": seconds, **used})


def _answer(answers: TextIO, **content: Any) -> None:
    print(json.dumps(content), file=answers, flush=True)


def _line(text: str) -> str:
    """The first line of a message."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


if __name__ == "__main__":
    sys.exit(main())
