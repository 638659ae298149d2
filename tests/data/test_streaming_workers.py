"""The processes that decode pictures: how they end, and what they leave alone."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from jaxdl.data import streaming
from jaxdl.data.streaming import TrainBatches
from jaxdl.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_a_worker_that_is_killed_ends_the_run_with_advice(streamed):
    with TrainBatches(streamed.train, batch_size=4, seed=1, workers=1) as batch_at:
        batch_at(0)
        (worker,) = multiprocessing.active_children()
        worker.kill()
        with pytest.raises(UserError, match="fewer workers"):
            list(map(batch_at, range(1, 20)))
    assert multiprocessing.active_children() == []


def test_an_interrupt_while_workers_start_waits_for_none_of_them(streamed, monkeypatch):
    started = []

    def interrupted():
        while len(started) < 2:
            started[:] = multiprocessing.active_children()
        raise KeyboardInterrupt  # they begin to import, for seconds

    monkeypatch.setattr(streaming, "time", SimpleNamespace(sleep=time.sleep, monotonic=interrupted))
    with pytest.raises(KeyboardInterrupt):
        TrainBatches(streamed.train, batch_size=4, seed=1, workers=2)
    assert [worker.exitcode for worker in started] == [-signal.SIGKILL] * 2
    assert multiprocessing.active_children() == []


def test_a_worker_that_does_not_end_is_ended(streamed, monkeypatch):
    monkeypatch.setattr(streaming, "PATIENCE", 0.2)
    batch_at = TrainBatches(streamed.train, batch_size=4, seed=1, workers=1)
    batch_at(0)
    (worker,) = multiprocessing.active_children()
    (iterator,) = batch_at._iterators
    close = iterator.close
    monkeypatch.setattr(iterator, "close", lambda: (worker.join(), close()))  # waits for it, and asks nothing of it
    batch_at.close()
    assert worker.exitcode == -signal.SIGKILL
    assert multiprocessing.active_children() == []


PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
import sys
import grain  # whose import, like that of jax, now and then loses an exception raised by a signal
sys.unraisablehook = lambda lost: lost.exc_type is KeyboardInterrupt or sys.__unraisablehook__(lost)  # pressed again
from jaxdl.data import sources
from jaxdl.data.streaming import TrainBatches

split = sources.load("folder", sys.argv[1], image_size=16, stream=True).train
try:
    print("starting", flush=True)
    with TrainBatches(split, batch_size=4, seed=1, workers=2) as batch_at:
        step = 0
        while True:
            batch_at(step)
            step += 1
            if step == 4:
                print("running", flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def _ended(process, number):
    """Output of the process after the signal. As a person would, presses Ctrl-C again where the exception was lost:
    Python drops one that a signal raises in a finalizer."""
    for _ in range(3):
        if number == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(process.pid, number)  # as a terminal does
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=30)
    raise AssertionError("it goes on")


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "after"), [(signal.SIGKILL, "running"), (signal.SIGINT, "running"), (signal.SIGINT, "starting")]
)
def test_workers_end_with_their_program_and_without_a_word(pictures, tmp_path, number, after):
    script = tmp_path / "program.py"  # without a main guard: a worker that ran it would start workers of its own
    script.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, script, pictures],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:  # so that nothing of it is left to another test
        try:
            while process.stdout.readline().strip() != after:
                assert process.poll() is None
            out, err = _ended(process, number)  # once no worker holds the pipes any more
        finally:
            process.kill()
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert (out.strip(), err, process.returncode) == ("stopped", "", 0)


WITNESS = """
import sys
import numpy as np
from jaxdl.data.dataset import Split
from jaxdl.data.streaming import TrainBatches


class Witness:
    shape = (8, 1, 1, 3)

    def __getitem__(self, rows):
        from jax._src import xla_bridge

        program = hasattr(sys.modules["__mp_main__"], "__file__")
        signs = [xla_bridge.backends_are_initialized(), "tensorflow" in sys.modules, program]
        return np.broadcast_to(np.array(signs, np.uint8), (len(rows), 1, 1, 3)).copy()


with TrainBatches(Split(Witness(), np.zeros(8, np.int32)), batch_size=2, seed=0, workers=1) as batch_at:
    print(batch_at(0)["images"][0, 0, 0].tolist())
"""


def test_a_worker_wakes_no_accelerator_and_imports_neither_tensorflow_nor_the_program(tmp_path):
    (tmp_path / "witness.py").write_text(WITNESS)
    done = subprocess.run(
        [sys.executable, tmp_path / "witness.py"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.stdout.strip(), done.stderr) == ("[0, 0, 0]", "")
