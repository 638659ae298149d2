"""A server on this machine that breaks off, stalls, lies and sends elsewhere, as a test's script says."""

import hashlib
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

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
