"""Log of a run: a line of JSON per record, and the same numbers for TensorBoard."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl import disk
from jaxdl.errors import UserError, to_stderr
from jaxdl.report.graph import Node
from jaxdl.variables import flat
from jaxdl.wording import printable

MOST_STEPS = 2**63  # that TensorBoard can tell


class RunLog:
    """``metrics.jsonl`` and ``tensorboard/`` in ``folder``, which is made if need be; a context.

    resume_at: (bytes of metrics.jsonl, step) as they stood at the checkpoint that is resumed; what was written after
    it is dropped, so that the file ends up as if the run had never stopped. One that a power cut left shorter, or
    damaged, is cut at its last whole line, and ``report`` is told.
    Raises UserError where it cannot write.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        resume_at: tuple[int, int] | None = None,
        report: Callable[[str], None] = to_stderr,
    ):
        from jaxdl.report.board import open_board  # here, as no command needs it before it trains

        path, (size, step) = Path(folder, "metrics.jsonl"), resume_at or (0, -1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            kept, last = _whole_lines(self._file.read(size))
            self._file.truncate(kept)
            self._file.seek(kept)  # truncating moves nothing
            self._board = open_board(Path(folder, "tensorboard"), step=step)
        except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
            if hasattr(self, "_file"):
                self._file.close()
            said, place = getattr(error, "strerror", None) or error, getattr(error, "filename", None) or path
            way = disk.way_out(error) if isinstance(error, OSError) else "Give it another name"
            raise UserError(f"cannot write {place} ({said}). {way}, or name another folder.") from error
        if kept < size:
            report(
                f"{path} lacks {size - kept:,} of the {size:,} bytes that it had at step {step:,}, as after a power "
                f"cut: it goes on behind its last whole line{last}, and what stood between is lost."
            )

    @property
    def size(self) -> int:
        """Bytes of metrics.jsonl so far."""
        return self._file.tell()

    def write(self, record: dict) -> None:
        """Appends ``record``; its finite numbers also become TensorBoard scalars ``<kind>/<name>`` at its ``step``.

        The step is a whole number, 0 where there is none; any other raises UserError. Without a ``kind`` they are
        called ``<name>``. Arrays of NumPy and JAX are the numbers that they hold, or lists of them. Raises UserError
        for what is no JSON.
        """
        if not isinstance(record, Mapping):
            raise UserError(f"a record must be a dict, got {type(record).__name__}.")
        record = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in record.items()}
        step = record.get("step", 0)
        if not isinstance(step, int) or not 0 <= step < MOST_STEPS:
            raise UserError(f"the step of a record must be a whole number from 0, got {step!r:.40}.")
        try:
            line = json.dumps(record).encode() + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise UserError(f"a record must hold what JSON can: {error}.") from error
        with self._writing():
            self._file.write(line)
            self._file.flush()
        prefix = f"{record['kind']}/" if "kind" in record else ""
        for name, value in record.items():
            if isinstance(value, int | float) and name not in ("step", "seconds") and abs(value) < math.inf:
                with contextlib.suppress(OverflowError):  # a whole number beyond every float
                    self._board.add_scalar(f"{prefix}{name}", float(value), step)

    def flush(self) -> None:
        """Flushes every record to disk; called before a checkpoint that relies on them is written."""
        with self._writing():
            os.fsync(self._file.fileno())
        with contextlib.suppress(OSError):
            self._board.flush()

    def text(self, name: str, text: str) -> None:
        """Writes a text to TensorBoard."""
        self._board.add_text(name, printable(text), 0)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Writes a picture, uint8[H, W, 3], to TensorBoard."""
        self._board.add_image(name, image, step, dataformats="HWC")

    def images(self, name: str, images: np.ndarray, step: int) -> None:
        """Writes a batch of pictures, uint8[N, H, W, 3], to TensorBoard, as one image."""
        self._board.add_images(name, images, step, dataformats="NHWC")

    def histograms(self, name: str, tree: Any, step: int) -> None:
        """Writes a histogram of each leaf's values to TensorBoard, as ``<name>/<layer>.<leaf>``."""
        for path, leaf in flat({name: tree}).items():
            self._board.add_histogram(f"{name}/{'.'.join(path[1:])}", np.asarray(leaf, np.float32), step)

    def graph(self, nodes: Sequence[Node]) -> None:
        """Writes a network's graph to TensorBoard."""
        from jaxdl.report.board import graph_event

        self._board.file_writer.add_event(graph_event(nodes))

    def hyperparameters(self, settings: Mapping[str, Any], reached: Mapping[str, float]) -> None:
        """Writes the run's hyperparameters and results to TensorBoard's HPARAMS table."""
        shown = {
            name: printable(value) if isinstance(value, str) else str(value) if value is None else value
            for name, value in settings.items()
        }
        self._board.add_hparams(shown, dict(reached), name="hyperparameters")

    def close(self) -> None:
        """Flushes everything to disk and closes the files."""
        with contextlib.suppress(OSError):  # every record is written; what is left is one that could not be
            os.fsync(self._file.fileno())
            self._file.close()
        self._board.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot write {self._file.name} ({error.strerror}); training has stopped, its checkpoints stay. "
                f"{disk.way_out(error)}, then resume it."
            ) from error

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _whole_lines(content: bytes) -> tuple[int, str]:
    """The bytes of the records at the start of ``content``, up to the first that is none, and words for the last."""
    kept, said = 0, ""
    for line in content.splitlines(keepends=True):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not line.endswith(b"\n") or not isinstance(record, dict):
            break
        kept, said = kept + len(line), f", of step {record['step']:,}" if isinstance(record.get("step"), int) else said
    return kept, said


class NoLog:
    """A RunLog that writes nothing, for processes other than the first."""

    size = 0

    def write(self, record: dict) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def text(self, name: str, text: str) -> None:
        """Nothing."""

    def histograms(self, name: str, tree: Any, step: int) -> None:
        """Nothing."""

    def __enter__(self) -> "NoLog":
        return self

    def __exit__(self, *_) -> None:
        """Nothing."""
