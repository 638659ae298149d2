"""Files that survive a power cut: flushed to disk before they are renamed, and sealed with a checksum."""

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

DRAFT = ".draft-"  # how a folder's name begins while it is written
YOUNG = 60.0  # seconds in which an empty draft may belong to a process that is about to lock it
OLD = 86_400.0  # seconds after which a draft is nobody's where there are no locks
_BLOCK = 1 << 20  # bytes read at once


def opened(path: Path) -> BinaryIO:
    """The file, opened to be read; raises OSError for what is none, such as a pipe, whose reader would wait for ever,
    or a device, which has no end."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, os.strerror(number) if stat.S_ISDIR(mode) else "it is not a file", str(path))
    return os.fdopen(descriptor, "rb")


def way_out(error: OSError) -> str:
    """The first words of an advice to whom the system has refused a file to be written."""
    full = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
    if error.errno in full:
        return "Make room"
    return "Have this user write there" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else "Mend that"


def flush(path: Path) -> None:
    """Flushes the file, or the folder and everything in it, to disk."""
    for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put(draft: Path, path: Path) -> None:
    """Flushes the finished ``draft``, a file or a folder, to disk, and then renames it to ``path``.

    An existing file is replaced; an existing folder must be empty. Raises OSError.
    """
    flush(draft)
    os.replace(draft, path)
    _flush_entry(path.parent)


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """A context with a draft to write to, which becomes ``path`` at the end, or is removed after an error.

    Raises OSError.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        yield draft
        put(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write(path: Path, content: str | bytes) -> None:
    """Writes the file whole or not at all; text as UTF-8, with lone surrogates escaped. Raises OSError."""
    with file(path) as draft:
        draft.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A context with a new folder to write to, which becomes ``path`` at the end, or is removed after an error.

    Raises OSError. Drafts left by a killed process are removed by ``tidy``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f"{DRAFT}{secrets.token_hex(6)}"
    draft.mkdir()
    try:
        with _locked(draft):
            yield draft
            put(draft, path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def tidy(parent: Path) -> None:
    """Removes drafts in ``parent`` that no process is still writing."""
    with contextlib.suppress(OSError):
        for draft in parent.glob(f"{DRAFT}*"):
            with contextlib.suppress(OSError):
                if _abandoned(draft):
                    shutil.rmtree(draft, ignore_errors=True)


def crc32(path: Path) -> int:
    """The checksum of the file's content."""
    crc, block = 0, bytearray(_BLOCK)
    with opened(path) as file:
        while count := file.readinto(block):
            crc = zlib.crc32(memoryview(block)[:count], crc)
    return crc


def sealed(contents: Any) -> str:
    """``contents`` as JSON with a checksum, for ``unsealed``."""
    text = json.dumps(contents)
    return f'{{"crc32": {zlib.crc32(text.encode())}, "contents": {text}}}'


def unsealed(text: str | bytes) -> Any:
    """Inverse of ``sealed``; raises ValueError if the text has changed since."""
    try:
        read = json.loads(text)
        intact = zlib.crc32(json.dumps(read["contents"]).encode()) == read["crc32"]
    except (ValueError, LookupError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise ValueError("has changed since it was saved")
    return read["contents"]


def _flush_entry(parent: Path) -> None:
    """Has the disk hold the names in ``parent``; some file systems cannot be asked to, and lose no file by it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _locked(draft: Path) -> Iterator[None]:
    """Others see that this process is at it, for as long as it lives."""
    if fcntl is None:
        yield
        return
    place = os.open(draft, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(place)


def _abandoned(draft: Path) -> bool:
    age = time.time() - draft.stat().st_mtime
    if age < YOUNG and not any(draft.iterdir()):
        return False
    if fcntl is None:
        return age > OLD
    place = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return age > OLD
    finally:
        os.close(place)
    return True
