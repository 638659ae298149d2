"""A demo of a finished run, in a process of its own, and what a stranger asks it."""

import http.client
import json
import shutil
import subprocess
import sys

import pytest

from jaxdl.data import sources
from tests.commands.short_run import ROOT

NAMES = [f"<b onclick=alert({digit})>&{digit}" for digit in range(10)]  # of classes: text, wherever they are shown


@pytest.fixture(scope="module")
def digit():
    """A picture of the digits' test split, as pixels."""
    return sources.load("digits").test.images[0]


@pytest.fixture(scope="module")
def server(finished, tmp_path_factory):
    """(process, host and port, its run's folder): a demo of a run with classes and a notice that are markup."""
    run = tmp_path_factory.mktemp("demo") / "run"
    shutil.copytree(finished[0], run)
    record = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**record, "classes": NAMES, "notice": "<i>not the real data</i>"}))
    command = [sys.executable, "-m", "jaxdl", "demo", str(run), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            while line and not line.startswith("http://127.0.0.1:"):  # on a slow machine, what it waits for
                line = process.stdout.readline()
            assert line, process.stderr.read()
            yield process, line.split("/")[2], run
        finally:
            process.kill()


@pytest.fixture
def address(server):
    return server[1]


def ask(address, method="POST", path="/predict", body=None, *, wait=60, **headers):
    """(status, answer, headers); an answer that is JSON is read. wait: seconds for it."""
    connection = http.client.HTTPConnection(address, timeout=wait)
    connection.request(method, path, body, {"Origin": f"http://{address}", **headers})
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    if reply.headers["Content-Type"] == "application/json":
        content = json.loads(content)
    return reply.status, content, reply.headers
