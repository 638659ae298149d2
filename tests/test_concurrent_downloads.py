"""Downloads of several processes and threads to one path, and of a process that is stopped."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxdl import download as downloading
from jaxdl.download import download
from jaxdl.errors import UserError
from tests.download_site import HASH, assert_whole, part_of, serve, stall, status

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_stopped_process_leaves_a_part_for_the_next(end, site, path):
    site.script = [stall(200_000)]
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "from jaxdl.download import download\n"
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
