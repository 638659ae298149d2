"""Downloads a file from a URL: verified and whole, or not at all; interrupted downloads are resumed."""

import hashlib
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import BinaryIO
from urllib.parse import urlsplit

from tqdm import tqdm

from jaxdl import disk
from jaxdl.errors import UserError
from jaxdl.wording import shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MOST = 2_000_000_000  # bytes of a file
TRIES = 4  # connections in a row that bring less than ENOUGH
ENOUGH = 1 << 20  # new bytes
PAUSE = 1.0  # seconds before the second try, and as much more before each further one
READ = 1 << 17  # bytes at once
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
PASSING = {408, 429}  # statuses below 500 that another try may mend


class DownloadError(UserError):
    """The file could not be fetched; nothing is wrong with the disk."""


class _CutError(Exception):
    """A connection failed in a way that another may not; ``heard``: the server had answered before."""

    def __init__(self, reason: str, *, heard: bool = True):
        super().__init__(reason)
        self.heard = heard


def download(url: str, path: str | Path, *, sha256_prefix: str, progress: bool = False, patience: float = 10.0) -> None:
    """Fetches ``url`` into ``path``, unless a file with that hash is there already.

    Downloads to ``<path>.part``, which is renamed once its SHA-256 begins with ``sha256_prefix``. A part left by a
    stopped call is resumed, and so is one whose connection was cut or sent nothing for ``patience`` seconds, until
    TRIES connections in a row have failed; not if the server never answered. A part that turns out to be of another
    file is downloaded again, once. A second process for the same path waits for the first.

    url: https, or http to this machine; so must be wherever it redirects to.
    progress: show a bar of bytes on a terminal.
    Raises DownloadError if the file cannot be fetched, is beyond MOST bytes or has another hash, which also removes the
    part; UserError if it cannot be written.
    """
    if not re.fullmatch("[0-9a-f]{8,64}", sha256_prefix):
        raise UserError(f"sha256_prefix must be 8 to 64 hexadecimal digits in lower case, got {sha256_prefix!r}.")
    _check_address(url)
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part, progress):
            if path.is_file() and has_hash(path, sha256_prefix):
                part.unlink(missing_ok=True)
                return
            try:
                with part.open("a+b") as file:
                    _fill(file, url, sha256_prefix, progress, patience)
                disk.put(part, path)
            finally:
                if part.is_file() and not part.stat().st_size:
                    part.unlink()
    except OSError as error:  # those of the network have become DownloadErrors
        raise UserError(f"cannot write {path} ({error.strerror or error}).") from error


def has_hash(path: Path, sha256_prefix: str) -> bool:
    """Whether the file's SHA-256 in hexadecimal begins with ``sha256_prefix``. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(sha256_prefix)


@contextmanager
def _alone(part: Path, progress: bool) -> Iterator[None]:
    """Holds ``part`` against other processes, waiting for one that has it.

    Where nothing can be locked two may write at once; the hash finds out what that spoils.
    """
    if fcntl is None:
        yield
        return
    while True:
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if progress:
                    print(f"Another process is downloading {part}; waiting for it.", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:  # a file system without locks
                pass
            # Whoever held it may have renamed or removed it, and a third begun another.
            try:
                still_there = os.path.samestat(os.fstat(file.fileno()), part.stat())
            except FileNotFoundError:
                still_there = False
            if still_there:
                yield
                return


def _fill(file: BinaryIO, url: str, sha256_prefix: str, progress: bool, patience: float) -> None:
    """Adds to the part, or begins it anew, until it has the hash. Raises DownloadError."""
    opener = _opener()
    furthest = file.seek(0, os.SEEK_END)
    tries, heard, begun_anew = TRIES, False, False
    while True:
        try:
            spliced = _fetch(opener, url, file, progress, patience)
        except _CutError as cut:
            size = file.seek(0, os.SEEK_END)
            heard = heard or cut.heard
            tries = TRIES if size >= furthest + ENOUGH else tries - 1
            furthest = max(furthest, size)
            if not tries or not heard:
                kept = f" The next try goes on from the {size:,} bytes in {file.name}." if size else ""
                raise DownloadError(f"cannot download {url}: {cut}.{kept}") from cut
            time.sleep(PAUSE * (TRIES - tries))
            continue
        file.flush()
        if has_hash(Path(file.name), sha256_prefix):
            return
        file.truncate(0)
        if begun_anew or not spliced:
            raise DownloadError(f"{url} is damaged or another file: its SHA-256 does not begin with {sha256_prefix}.")
        begun_anew = True


def _fetch(opener: urllib.request.OpenerDirector, url: str, file: BinaryIO, progress: bool, patience: float) -> bool:
    """Adds what one connection brings until the server has no more; whether it was added to bytes of an earlier one.

    Raises _CutError, DownloadError and, for the disk, OSError.
    """
    held = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "jaxdl"}
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        response = _answer(opener, urllib.request.Request(url, headers=headers), patience)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and held:
            return True  # nothing behind what is here
        text = f"the server answered {error.code} {shown(error.reason, 200)}"
        if error.code >= 500 or error.code in PASSING:
            raise _CutError(text) from None
        raise DownloadError(f"cannot download {url}: {text}.") from None
    except (OSError, HTTPException) as error:
        silent = isinstance(error, (urllib.error.URLError, TimeoutError))
        raise _CutError(_reason(error, patience), heard=not silent) from error
    with response:
        begin, total = _extent(response)
        if begin != held:
            file.truncate(0)
        if begin not in (0, held):
            raise _CutError("the server answered with other bytes than it was asked for")
        if total is not None and total > MOST:
            file.truncate(0)
            raise DownloadError(f"{url} is refused: it has {total:,} bytes, more than {MOST:,}.")
        position = begin
        with tqdm(
            desc=Path(file.name).stem,
            initial=begin,
            total=total,
            unit="B",
            unit_scale=True,
            disable=None if progress else True,
        ) as bar:
            for piece in _pieces(response, patience):
                position += len(piece)
                if position > MOST:
                    file.truncate(0)
                    raise DownloadError(f"{url} is refused: it has more than {MOST:,} bytes.")
                file.write(piece)
                bar.update(len(piece))
    if total is not None and position < total:
        raise _CutError(f"the connection ended after {position:,} of {total:,} bytes")
    return begin > 0


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request, patience: float) -> HTTPResponse:
    """The response, with its body unread; found out in a thread, because name look-up obeys no timeout.

    Raises TimeoutError after ``patience`` seconds, and what ``opener`` does.
    """
    answer: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            response = opener.open(request, timeout=patience)
        except Exception as error:
            with suppress(InvalidStateError):
                answer.set_exception(error)
            return
        try:
            answer.set_result(response)
        except InvalidStateError:  # nobody waits for it any longer
            response.close()

    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(patience)
    except TimeoutError:
        if answer.cancel():
            raise
        return answer.result()  # it came just now, or is a TimeoutError of the socket's
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise DownloadError(f"cannot download {request.full_url}: it leads to what is no address.") from error
    finally:
        answer.cancel()


def _extent(response: HTTPResponse) -> tuple[int, int | None]:
    """Where the body begins in the file, -1 if it is no part of one; and the file's size, if the server tells."""
    if response.status == 200:
        return 0, response.length
    match = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
    if response.status != 206 or match is None:
        return -1, None
    begin = int(match[1])
    if match[2] != "*":
        return begin, int(match[2])
    return begin, None if response.length is None else begin + response.length


def _pieces(response: HTTPResponse, patience: float) -> Iterator[bytes]:
    """The body as it arrives, so that a connection that stalls loses nothing. Raises _CutError."""
    while True:
        try:
            piece = response.read1(READ)
        except (OSError, HTTPException) as error:
            raise _CutError(_reason(error, patience)) from error
        if not piece:
            return
        yield piece


def _reason(error: Exception, patience: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"the server sent nothing for {patience:g} s"
    return shown(getattr(cause, "strerror", None) or cause or type(cause).__name__, 200)


def _check_address(url: str) -> None:
    with suppress(ValueError):  # an IPv6 address without its bracket
        address = urlsplit(url)
        secure = address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)
        if secure and address.hostname:
            return
    raise DownloadError(f"{shown(url, 200)} is refused: only https:// addresses are downloaded from.")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, req, fp, code, msg, headers):
        fp.close()  # or all of its body is read, and an error leaves it open
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # What goes to this machine goes through no proxy.
    proxies = {scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme == "https"}
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _Redirects)
