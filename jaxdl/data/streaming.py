"""Streams pictures from their files when a batch needs them. The only file that imports Grain, and only to train."""

import contextlib
import dataclasses
import math
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np

from jaxdl.data import decoding, pipeline
from jaxdl.data.dataset import Split
from jaxdl.data.framing import Framing
from jaxdl.data.pipeline import HostBatch
from jaxdl.errors import UserError

STEPS = 2**62  # of an endless run: Grain asks for a number
SHARED = Path("/dev/shm")  # where Linux keeps shared memory; small in many containers
BATCHES_UNDER_WAY = 4  # at most, of each worker
PATIENCE = 5.0  # seconds that a worker has to end by itself


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a split, to be used in place of the array uint8[N, size, size, 3] that they decode to.

    Indexing by a number, a slice or an array of numbers decodes those pictures only, with ``threads`` threads (None:
    one per core), and returns an array. Raises UserError for pictures that cannot be read, naming all.

    names: bytes[N], relative to ``root``, as from ``folder.listing``.
    """

    root: Path
    names: np.ndarray
    framing: Framing
    threads: int | None = None

    dtype = np.dtype(np.uint8)
    ndim = 4

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array that the pictures decode to."""
        return (len(self.names), self.framing.size, self.framing.size, 3)

    @property
    def paths(self) -> list[Path]:
        """Where they lie."""
        return [self.root / os.fsdecode(name) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        chosen = self.names[rows]
        if chosen.ndim == 0:
            return self[[rows]][0]
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        decoding.fill(images, [self.root / os.fsdecode(name) for name in chosen], self.framing, threads=self.threads)
        return images

    def take(self, rows: Sequence[int] | np.ndarray, axis: int = 0) -> "Pictures":
        """Those pictures, still in their files; as ``numpy.ndarray.take`` along the first axis."""
        if axis != 0:
            raise ValueError(f"pictures can be taken along axis 0 only, got {axis}.")
        return dataclasses.replace(self, names=self.names[rows])


class TrainBatches:
    """``pipeline.train_batch`` of a split of Pictures, decoded ahead: called with a step, it returns that batch.

    The batch is the same bit for bit whatever the number of workers. Steps are expected in order, from ``start``; any
    other step works too, but restarts decoding there. Close it, or use it as a context manager.

    workers: processes that decode; with 0, threads of this process do. They are new interpreters that import only the
    data's code, ignore Ctrl-C, and end with this process however it ends.
    rows, padded_size: as in ``train_batch``; pictures of other rows are not opened.

    Raises UserError if the workers need more shared memory than there is.
    Calling raises the UserError of the first picture of that step that cannot be read, wherever it was decoded.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        start: int = 0,
        rows: slice | None = None,
        padded_size: int | None = None,
        workers: int = 0,
    ):
        if workers and isinstance(split.images, Pictures):
            threads = max(1, (os.cpu_count() or 1) // workers)
            split = Split(dataclasses.replace(split.images, threads=threads), split.labels)
        self._batches = _Batches(split, batch_size, seed, rows, padded_size, start, max(1, workers))
        self._workers = workers
        if workers:
            self._check_shared_memory()
        self._iterators: list[Iterator[HostBatch]] = []
        self._processes: list[multiprocessing.Process] = []  # the workers
        self._begun = False  # whether there was a batch since they were started
        self._restart(start)

    def __enter__(self) -> "TrainBatches":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __call__(self, step: int) -> HostBatch:
        if step != self._next:
            self._restart(step)
        self._next = None  # an error or a signal in the next line leaves the place unknown: the call after starts anew
        try:
            batch = next(self._iterators[(step - self._first) % len(self._iterators)])
        except RuntimeError as error:
            if not self._workers:
                raise
            raise UserError(
                f"a process that reads pictures was ended, as happens when memory runs out ({error}). "
                "Try again with fewer workers."
            ) from error
        self._next = step + 1
        self._begun = True
        if not self._workers:
            return batch
        return {name: np.array(array) for name, array in batch.items()}  # shared memory is given back at once

    def close(self) -> None:
        """Stops decoding and ends the workers."""
        self._next = None
        iterators, self._iterators = self._iterators, []
        workers, self._processes = self._processes, []
        if not self._begun:  # they import what they need, for seconds, and would be waited for
            _kill(workers)
        self._begun = False
        if iterators:
            with ThreadPoolExecutor(len(iterators)) as pool:  # each waits for its worker
                closing = [pool.submit(iterator.close) for iterator in iterators]
                if wait(closing, PATIENCE).not_done:
                    _kill(workers)
            for each in closing:
                each.result()

    def _restart(self, step: int) -> None:
        import grain
        from absl import flags

        self.close()
        if not flags.FLAGS.is_parsed():  # Grain reads its own, and would have every program be absl's
            flags.FLAGS.mark_as_parsed()
        for number in range(self._batches.stride):
            batches = dataclasses.replace(self._batches, start=step + number)
            steps = grain.MapDataset.source(batches).to_iter_dataset(
                grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
            )
            if self._workers:  # one each, in turn: Grain would close several of its own one after the other
                # Grain's queues are pipes, and a worker that waits to write to one cannot end: pixels go another way.
                options = grain.experimental.DatasetOptions(min_shm_size=4096)
                steps = grain.experimental.WithOptionsIterDataset(steps, options).mp_prefetch(
                    grain.MultiprocessingOptions(num_workers=1, per_worker_buffer_size=1),
                    worker_init_fn=_end_with_parent,
                )
            with _signals_held() if self._workers else contextlib.nullcontext():  # one half made complains as it goes
                self._iterators.append(iter(steps))
        try:
            if self._workers:
                with _signals_held(), _without_main():
                    _start_workers(self._iterators, self._processes)
            else:
                self._iterators[0].start_prefetch()
        except BaseException:
            self.close()
            raise
        self._first = self._next = step

    def _check_shared_memory(self) -> None:
        """A worker that found it full would die of a bus error."""
        batches = self._batches
        rows = range(batches.padded_size or batches.batch_size)[batches.rows or slice(None)]
        needed = len(rows) * math.prod(batches.split.images.shape[1:]) * BATCHES_UNDER_WAY * self._workers
        if SHARED.is_dir() and shutil.disk_usage(SHARED).free < needed:
            raise UserError(
                f"{self._workers} workers need {needed / 2**20:,.0f} MiB of shared memory; {SHARED} has less. "
                "Use fewer workers, or 0 for threads; in a container, raise its limit (docker run --shm-size)."
            )


@dataclass(frozen=True, eq=False)
class _Batches:
    """The batches of ``start`` and every ``stride`` steps from there, as Grain asks for them."""

    split: Split
    batch_size: int
    seed: int
    rows: slice | None
    padded_size: int | None
    start: int
    stride: int

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> HostBatch:
        return pipeline.train_batch(
            self.split,
            self.start + index * self.stride,
            batch_size=self.batch_size,
            seed=self.seed,
            rows=self.rows,
            padded_size=self.padded_size,
        )


def _start_workers(iterators: list, started: list[multiprocessing.Process]) -> None:
    """Returns when each has its orders, with the processes in ``started``; so they are if it is interrupted.

    Grain starts them by threads of its own.
    """
    before = set(multiprocessing.active_children())
    try:
        for iterator in iterators:
            iterator.get_state()  # has Grain make what it starts below: it closes only what it has made by itself
            iterator.start_prefetch()
        patience = time.monotonic() + 60
        while len(set(multiprocessing.active_children()) - before) < len(iterators) and time.monotonic() < patience:
            time.sleep(0.01)
    finally:
        started[:] = set(multiprocessing.active_children()) - before


def _kill(workers: list[multiprocessing.Process]) -> None:
    for worker in workers:
        worker.kill()


def _end_with_parent(*_) -> None:
    """Has a worker watch the process that started it: nothing else would tell it of a SIGKILL."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Threads and processes started here never see SIGINT and SIGTERM, which a terminal sends to all of a job."""
    resource_tracker.ensure_running()  # or it would be started below, and let the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Processes started here do not import the program, which takes seconds and fails where it has no main guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
