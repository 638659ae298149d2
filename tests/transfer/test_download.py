"""Downloads from a server on this machine that breaks off, stalls, lies and sends elsewhere."""

import hashlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.transfer import download as downloading
from jaxdl.transfer.download import DownloadError, download

ROOT = Path(__file__).resolve().parents[2]
CONTENT = np.random.default_rng(0).bytes(300_000)
HASH = hashlib.sha256(CONTENT).hexdigest()[:8]


class Site(ThreadingHTTPServer):
    """Serves ``content``. Each answer in ``script`` is used for one request; after the last, all is as it should be."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = memoryview(content)
        self.script = []
        self.ranges = []  # the Range header of each request
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/weights"

    def handle_error(self, request, client_address):
        """The client has gone: what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server
        site.ranges.append(self.headers["Range"])
        answer = site.script.pop(0) if site.script else serve()
        answer(self, site)

    def log_message(self, *about):
        pass

    def head(self, status, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


def serve(most=None, *, ranged=True, length=True, shift=0, then=lambda site: None):
    """Answers as a server should; but after ``most`` bytes comes ``then`` and the end.

    ranged: False for one that knows no ranges. length: False to tell none, or a number to tell. shift: of a range.
    """

    def answer(handler, site):
        content, wanted, fields = site.content, handler.headers["Range"] if ranged else None, {}
        begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) + shift if wanted else 0
        if begin >= len(content):
            return handler.head(416, Content_Range=f"bytes */{len(content)}")
        if length:
            fields["Content_Length"] = len(content) - begin if length is True else length
        if wanted:
            fields["Content_Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        handler.head(206 if wanted else 200, **fields)
        handler.wfile.write(content[begin:][:most])
        then(site)

    return answer


def stall(after):
    return serve(after, then=lambda site: site.over.wait())


def silence(handler, site):
    site.over.wait()


def status(code):
    return lambda handler, site: handler.head(code, Content_Length=0)


def redirect(to, code=302):
    return lambda handler, site: handler.head(code, Location=to, Content_Length=0)


@contextmanager
def serving(content=CONTENT):
    with Site(content) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.over.set()
            site.shutdown()
            thread.join()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with serving() as site:
        yield site


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "weights.pth"


def part_of(path, content=None):
    part = path.with_name(f"{path.name}.part")
    if content is not None:
        part.parent.mkdir()
        part.write_bytes(content)
    return part


def assert_whole(path):
    """The right bytes, and nothing beside them."""
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_file_arrives_in_a_new_folder(site, path):
    download(site.url, str(path), sha256_prefix=HASH)
    assert_whole(path)
    assert site.ranges == [None]


def test_file_smaller_than_any_buffer_arrives(path):
    with serving(b"small") as site:
        download(site.url, path, sha256_prefix=hashlib.sha256(b"small").hexdigest())
    assert path.read_bytes() == b"small"


def test_file_already_there_is_not_fetched(site, path):
    part_of(path, b"left over")
    path.write_bytes(CONTENT)
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)
    assert site.ranges == []


def test_another_file_there_is_replaced(site, path):
    path.parent.mkdir()
    path.write_bytes(b"old")
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (serve(), ["bytes=100000-"]),
        (serve(ranged=False), ["bytes=100000-"]),
        (serve(shift=1), ["bytes=100000-", None]),
        (status(204), ["bytes=100000-", None]),
    ],
    ids=["ranged", "whole", "other bytes", "none"],
)
def test_part_is_gone_on_with_or_begun_anew(answer, requests, site, path):
    part_of(path, CONTENT[:100_000])
    site.script = [answer]
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)
    assert site.ranges == requests


@pytest.mark.parametrize(
    ("part", "requests"),
    [
        (CONTENT, ["bytes=300000-"]),
        (CONTENT + b"more", ["bytes=300004-", None]),
        (b"?" * 300_000, ["bytes=300000-", None]),
        (b"?" * 1000, ["bytes=1000-", None]),
    ],
    ids=["complete", "too long", "complete of another file", "of another file"],
)
def test_part_is_judged_by_the_hash(part, requests, site, path):
    part_of(path, part)
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)
    assert site.ranges == requests


@pytest.mark.parametrize("where", [0, 1, 250_000])
@pytest.mark.parametrize("fault", [serve, stall])
def test_broken_connection_is_taken_up_where_it_stopped(fault, where, site, path):
    site.script = [fault(where)]
    download(site.url, path, sha256_prefix=HASH, patience=0.3)
    assert_whole(path)
    assert site.ranges == [None, f"bytes={where}-" if where else None]


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_passing_trouble_of_the_server_is_waited_out(code, site, path):
    site.script = [status(code)] * (downloading.TRIES - 1)
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


def test_tries_end_and_leave_the_part(site, path):
    site.script = [stall(1000), status(500), silence, stall(100_000), serve()]
    with pytest.raises(DownloadError, match=r"nothing for 0\.2 s.*goes on from the 101,000 bytes in .*\.part"):
        download(site.url, path, sha256_prefix=HASH, patience=0.2)
    assert site.ranges == [None, *["bytes=1000-"] * 3]
    assert part_of(path).read_bytes() == CONTENT[:101_000]
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


def test_tries_are_not_used_up_while_connections_bring_enough(site, path, monkeypatch):
    monkeypatch.setattr(downloading, "ENOUGH", 20_000)
    site.script = [serve(20_000)] * 14
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


def test_tries_are_used_up_by_getting_the_same_bytes_again(site, path, monkeypatch):
    monkeypatch.setattr(downloading, "ENOUGH", 20_000)
    site.script = [serve(30_000, ranged=False), serve(5_000, ranged=False)] * 10
    with pytest.raises(DownloadError, match="ended after 30,000 of 300,000 bytes"):
        download(site.url, path, sha256_prefix=HASH)
    assert len(site.ranges) == downloading.TRIES + 1


@pytest.mark.parametrize("code", [400, 403, 404, 410, 416])
def test_refusal_is_told_at_once(code, site, path):
    site.script = [status(code)]
    with pytest.raises(DownloadError, match=f"{site.url}: the server answered {code} "):
        download(site.url, path, sha256_prefix=HASH)
    assert len(site.ranges) == 1
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "answer",
    [serve(length=299_999), serve(length=False, most=299_999)],
    ids=["length too small", "cut without a length"],
)
def test_wrong_hash_removes_the_part(answer, site, path):
    site.script = [answer]
    with pytest.raises(DownloadError, match=f"its SHA-256 does not begin with {HASH}"):
        download(site.url, path, sha256_prefix=HASH)
    assert len(site.ranges) == 1
    assert list(path.parent.iterdir()) == []


def test_wrong_hash_of_a_part_is_asked_about_once_more(site, path):
    part_of(path, b"?")
    with pytest.raises(DownloadError, match="its SHA-256 does not begin with 01234567"):
        download(site.url, path, sha256_prefix="01234567")
    assert site.ranges == ["bytes=1-", None]
    assert list(path.parent.iterdir()) == []


def test_wrong_hash_of_a_whole_file_is_final(site, path):
    part_of(path, b"?")
    site.script = [serve(ranged=False)]
    with pytest.raises(DownloadError, match="its SHA-256 does not begin with 01234567"):
        download(site.url, path, sha256_prefix="01234567")
    assert len(site.ranges) == 1


def test_length_too_large_costs_a_try(site, path):
    site.script = [serve(length=300_001)]
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)
    assert site.ranges == [None, "bytes=300000-"]


def test_length_not_told_is_enough(site, path):
    site.script = [serve(length=False)]
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


@pytest.mark.parametrize(("length", "told"), [(True, "300,000 bytes, more than 200,000"), (False, "more than 200,000")])
def test_file_that_is_too_large_is_refused(length, told, site, path, monkeypatch):
    monkeypatch.setattr(downloading, "MOST", 200_000)
    site.script = [serve(length=length)]
    with pytest.raises(DownloadError, match=f"is refused: it has {told}"):
        download(site.url, path, sha256_prefix=HASH)
    assert list(path.parent.iterdir()) == []


def test_redirect_is_followed(site, path):
    site.script = [redirect(site.url), *(redirect("elsewhere", code) for code in (301, 303, 307, 308))]
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


FORBIDDEN = ["http://example.com/w", "http://localhost@example.com/w", "ftp://127.0.0.1/w", "file:///etc/hosts"]


@pytest.mark.parametrize("address", [*FORBIDDEN, "http://[", "https://", "https:weights", "weights"])
def test_address_that_is_not_https_is_refused(address, path):
    with pytest.raises(DownloadError, match=f"{re.escape(address)} is refused: only https://"):
        download(address, path, sha256_prefix=HASH)
    assert not path.parent.exists()


@pytest.mark.parametrize("address", [*FORBIDDEN, "http://[", "gopher://127.0.0.1/"])
def test_redirect_to_what_is_not_https_is_refused(address, site, path):
    site.script = [redirect(address)]
    with pytest.raises(DownloadError, match=r"is refused|not allowed|what is no address"):
        download(site.url, path, sha256_prefix=HASH)
    assert len(site.ranges) == 1
    assert list(path.parent.iterdir()) == []


def test_redirects_in_a_circle_end(site, path):
    site.script = [redirect(site.url)] * 20
    with pytest.raises(DownloadError, match="302"):
        download(site.url, path, sha256_prefix=HASH)


def test_host_that_never_answers_is_asked_once(path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(DownloadError, match=r"the server sent nothing for 0\.3 s"):
            download(url, path, sha256_prefix=HASH, patience=0.3)
        assert time.monotonic() - began < 2
    with pytest.raises(DownloadError, match="refused"):
        download(url, path, sha256_prefix=HASH)
    assert list(path.parent.iterdir()) == []


def test_name_look_up_that_hangs_is_given_up(path, monkeypatch):
    over = threading.Event()

    def look_up(*about):
        over.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(downloading.urllib.request, "getproxies", dict)
    began = time.monotonic()
    with pytest.raises(DownloadError, match=r"nothing for 0\.2 s"):
        download("https://weights.example/w", path, sha256_prefix=HASH, patience=0.2)
    assert time.monotonic() - began < 2
    over.set()
    with pytest.raises(DownloadError, match="Name or service not known"):
        download("https://weights.example/w", path, sha256_prefix=HASH)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_stopped_process_leaves_a_part_for_the_next(end, site, path):
    site.script = [stall(200_000)]
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "from jaxdl.transfer.download import download\n"
        "download(sys.argv[1], sys.argv[2], sha256_prefix=sys.argv[3])\n"
    )
    command = [sys.executable, "-c", program, site.url, str(path), HASH]
    part = part_of(path)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size > 100_000):
            time.sleep(0.01)
        process.send_signal(end)
        assert process.wait(10) == -end, process.stderr.read()
    assert not path.exists()
    held = part.stat().st_size
    assert 100_000 < held <= 200_000
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)
    assert site.ranges == [None, f"bytes={held}-"]


class Downloads:
    """Downloads to one path at once, a thread each."""

    def __init__(self, site, path, capsys):
        self.site, self.path, self.capsys = site, path, capsys
        self.threads, self.errors, self.printed = [], [], ""

    def start(self):
        self.threads.append(threading.Thread(target=self._fetch))
        self.threads[-1].start()

    def wait_for(self, *, waiting, requests):
        """Until so many have said that they wait, and so many requests have come."""
        deadline = time.monotonic() + 10
        while self.printed.count("waiting for it") != waiting or len(self.site.ranges) != requests:
            assert time.monotonic() < deadline, (self.printed, self.site.ranges)
            time.sleep(0.01)
            self.printed += self.capsys.readouterr().out

    def end(self):
        for thread in self.threads:
            thread.join()
        return self.errors

    def _fetch(self):
        try:
            download(self.site.url, self.path, sha256_prefix=HASH, progress=True)
        except UserError as error:
            self.errors.append(error)


@pytest.mark.parametrize("first_fails", [False, True])
def test_others_wait_for_the_first(first_fails, site, path, capsys):
    waited = threading.Event()
    site.script = [serve(100_000, then=lambda site: waited.wait(10)), *[status(404)] * first_fails]
    downloads = Downloads(site, path, capsys)
    for _ in range(3):
        downloads.start()
    downloads.wait_for(waiting=2, requests=1)
    waited.set()
    assert len(downloads.end()) == first_fails
    assert_whole(path)
    assert site.ranges == [None, *["bytes=100000-"] * (1 + first_fails)]


def test_third_waits_for_the_second_when_the_part_of_the_first_was_removed(site, path, capsys):
    first, second = threading.Event(), threading.Event()
    site.script = [
        serve(10, length=False, then=lambda site: first.wait(10)),
        serve(1000, then=lambda site: second.wait(10)),
    ]
    downloads = Downloads(site, path, capsys)
    downloads.start()
    downloads.wait_for(waiting=0, requests=1)
    downloads.start()
    downloads.wait_for(waiting=1, requests=1)
    first.set()
    downloads.wait_for(waiting=1, requests=2)
    downloads.start()
    downloads.wait_for(waiting=2, requests=2)
    second.set()
    [error] = downloads.end()
    assert "its SHA-256 does not begin" in str(error)
    assert_whole(path)
    assert site.ranges == [None, None, "bytes=1000-"]


def test_download_needs_no_locks(site, path, monkeypatch):
    monkeypatch.setattr(downloading, "fcntl", None)
    site.script = [serve(1000)]
    download(site.url, path, sha256_prefix=HASH)
    assert_whole(path)


def test_folder_that_cannot_be_written_is_told(site, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot write .*file/weights\.pth \(.+\)\.") as caught:
        download(site.url, tmp_path / "file" / "weights.pth", sha256_prefix=HASH)
    assert not isinstance(caught.value, DownloadError)
    assert site.ranges == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_full_disk_is_told(site, path):
    path.parent.mkdir()
    part_of(path.parent / "w").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*w \(No space left on device\)\.") as caught:
        download(site.url, path.parent / "w", sha256_prefix=HASH)
    assert not isinstance(caught.value, DownloadError)


@pytest.mark.parametrize("prefix", ["", "0123", "g" * 8, HASH.upper() + "A"])
def test_hash_that_is_none_is_refused(prefix, site, path):
    with pytest.raises(UserError, match="sha256_prefix must be"):
        download(site.url, path, sha256_prefix=prefix)


def test_bar_begins_with_what_is_there(site, path, monkeypatch):
    bars = []

    class Bar(downloading.tqdm):
        def __init__(self, **settings):
            assert settings.pop("disable") is None  # shown where there is a terminal
            super().__init__(**settings)
            bars.append(self)

    monkeypatch.setattr(downloading, "tqdm", Bar)
    part_of(path, CONTENT[:100_000])
    download(site.url, path, sha256_prefix=HASH, progress=True)
    assert [(bar.initial, bar.n, bar.total, bar.desc) for bar in bars] == [(100_000, 300_000, 300_000, "weights.pth")]


def test_memory_stays_small(path):
    content = np.random.default_rng(1).bytes(1 << 25)
    with serving(content) as site:
        tracemalloc.start()
        try:
            download(site.url, path, sha256_prefix=hashlib.sha256(content).hexdigest())
            assert tracemalloc.get_traced_memory()[1] < 1 << 22
        finally:
            tracemalloc.stop()
