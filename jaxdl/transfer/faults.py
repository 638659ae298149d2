"""Errors in a weight file: raised deep inside a reader, reported to the user with the file's name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxdl.errors import UserError


class FileError(ValueError):
    """A sentence without the file's name and the full stop."""


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Inside, a FileError and an OSError become a UserError that names ``path``."""
    try:
        yield
    except FileError as fault:
        raise UserError(f"{path}: {fault}.") from None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror or error}).") from error
