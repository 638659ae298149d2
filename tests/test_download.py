"""Downloads from a server that breaks off, stalls, lies and sends elsewhere."""

import hashlib
import re
import socket
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from jaxdl import download as downloading
from jaxdl.download import DownloadError, download
from jaxdl.errors import UserError
from tests.download_site import (
    CONTENT,
    HASH,
    assert_whole,
    part_of,
    redirect,
    serve,
    serving,
    silence,
    stall,
    status,
)


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
