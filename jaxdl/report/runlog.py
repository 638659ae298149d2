"""What a run writes as it goes: a line of JSON a record, and the same numbers for TensorBoard."""

import contextlib
import json
import math
from pathlib import Path

from tensorboardX import SummaryWriter

from jaxdl.errors import UserError


class RunLog:
    """``metrics.jsonl`` and ``tensorboard/`` in ``folder``; a context.

    resume_at: (bytes of metrics.jsonl, step) as they stood at the checkpoint that is resumed; what was written after
    it is dropped, so that the file ends up as if the run had never stopped.
    Raises UserError where it cannot write.
    """

    def __init__(self, folder: str | Path, *, resume_at: tuple[int, int] | None = None):
        self._file = Path(folder, "metrics.jsonl").open("ab")  # noqa: SIM115, closed by close()
        size, step = resume_at or (0, -1)
        self._file.truncate(size)
        self._file.seek(size)  # truncating moves nothing
        self._board = SummaryWriter(
            str(Path(folder, "tensorboard")),
            purge_step=step + 1,  # TensorBoard drops what earlier files hold from there on
            filename_suffix=f".from{step + 1}",  # names differ even within one second
        )

    @property
    def size(self) -> int:
        """Bytes of metrics.jsonl so far."""
        return self._file.tell()

    def write(self, record: dict) -> None:
        """Appends ``record``; its finite numbers also become TensorBoard scalars ``<kind>/<name>`` at its ``step``."""
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"cannot write {self._file.name} ({error.strerror}); training has stopped, its checkpoints stay. "
                "Make room, then continue with --resume."
            ) from error
        for name, value in record.items():
            if isinstance(value, int | float) and name not in ("step", "seconds") and math.isfinite(value):
                self._board.add_scalar(f"{record['kind']}/{name}", value, record.get("step", 0))

    def text(self, name: str, text: str) -> None:
        """A passage on TensorBoard's text page."""
        self._board.add_text(name, text, 0)

    def close(self) -> None:
        """Everything is on disk afterwards."""
        with contextlib.suppress(OSError):  # every record is flushed; what is left is one that could not be written
            self._file.close()
        self._board.close()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class NoLog:
    """A RunLog that keeps nothing: of a process that leaves the writing to another."""

    size = 0

    def write(self, record: dict) -> None:
        """Nothing."""

    def text(self, name: str, text: str) -> None:
        """Nothing."""

    def __enter__(self) -> "NoLog":
        return self

    def __exit__(self, *_) -> None:
        """Nothing."""
