"""Many pictures decoded at once, and those named that cannot be read."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxdl.data import pictures
from jaxdl.data.framing import Framing
from jaxdl.errors import UserError

MOST_PIXELS = pictures.MOST_PIXELS
MOST_NAMED = 3  # pictures in one error, which is a line or two
LOOKED_AT = 8  # pixels a side to which a picture is brought of which only the reading counts
AT_ONCE = 16  # pictures that a thread takes at a time


class UnreadableError(UserError):
    """Pictures of a folder cannot be read."""

    @classmethod
    def of(cls, errors: Sequence[UserError], *, of: tuple[int, int] = (0, 0)) -> "UnreadableError":
        """That names the pictures of ``errors``. of: of how many they are, and how many there are."""
        looked_at, there = of
        so_far = f" {looked_at:,} of {there:,} pictures were looked at." if looked_at < there else ""
        if len(errors) == 1:
            return cls(f"{errors[0]} Replace or remove it.{so_far}")
        named = " ".join(str(error) for error in errors[:MOST_NAMED])
        more = f" And {len(errors) - MOST_NAMED:,} more." if len(errors) > MOST_NAMED else ""
        return cls(f"{len(errors):,} pictures cannot be read: {named}{more} Replace or remove them.{so_far}")


def open_picture(path: Path, framing: int | Framing) -> np.ndarray:
    """One picture as uint8[size, size, 3], by ``pictures.open_picture``; raises UserError with its path."""
    return pictures.open_picture(path, framing, most_pixels=MOST_PIXELS)


def fill(
    images: Sequence[np.ndarray],
    paths: Sequence[Path],
    framing: Framing,
    *,
    threads: int | None = None,
    on_pictures: Callable[[int], object] = lambda count: None,
) -> None:
    """Decodes ``paths`` into as many ``images``: uint8[size, size, 3] each, of the ``framing``'s size.

    threads: one per core if None. on_pictures: called with the number of pictures just done. Raises UnreadableError
    after the last, naming all that cannot be read.
    """

    def decode(row: int) -> None:
        images[row][:] = open_picture(paths[row], framing)

    refused, _ = refused_of(decode, len(paths), threads=threads, on_pictures=on_pictures)
    if refused:
        raise UnreadableError.of(refused)


def unreadable(paths: Sequence[Path], *, seconds: float) -> UnreadableError | None:
    """The error that names all of ``paths`` that cannot be read, of as many as can be looked at in so long."""
    ends = time.monotonic() + seconds
    refused, looked_at = refused_of(
        lambda row: open_picture(paths[row], LOOKED_AT), len(paths), until=lambda: time.monotonic() > ends
    )
    return UnreadableError.of(refused, of=(looked_at, len(paths))) if refused else None


def refused_of(
    decode: Callable[[int], object],
    count: int,
    *,
    threads: int | None = None,
    on_pictures: Callable[[int], object] = lambda count: None,
    until: Callable[[], bool] = lambda: False,
) -> tuple[list[UserError], int]:
    """The errors of ``decode`` for rows 0 to ``count``, in order, and of how many rows they are.

    threads, on_pictures: as for ``fill``. until: asked now and then whether that is enough.
    """
    errors: list[UserError] = []

    def several(start: int) -> list[UserError]:
        refused = []
        for row in range(start, min(start + AT_ONCE, count)):
            try:
                decode(row)
            except UserError as error:
                refused.append(error)
        return refused

    done = 0
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        for refused in pool.map(several, range(0, count, AT_ONCE)):
            errors += refused
            now = min(AT_ONCE, count - done)
            done += now
            on_pictures(now)
            if until():
                break
    finally:
        pool.shutdown(cancel_futures=True)
    return errors, done
