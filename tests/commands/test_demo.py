"""The demo's server, as a stranger would try it."""

# ruff: noqa: F811 (fixtures are imported by name)

import io
import os
import re
import signal
import socket
import struct
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax
from werkzeug.test import Client

from jaxdl.commands.demo import main
from jaxdl.commands.demo_page import application as application_module
from jaxdl.commands.demo_page.application import MOST_BYTES, PATIENCE, Demo
from jaxdl.data import sources
from jaxdl.data.pictures import png
from jaxdl.run import finished_run
from jaxdl.run.classifier import Classifier
from tests.commands.demo_server import NAMES, address, ask, digit, server  # noqa: F401, fixtures
from tests.data import bad_pictures


def pixels(data_url):
    with urllib.request.urlopen(data_url) as file, Image.open(io.BytesIO(file.read())) as image:
        return np.asarray(image)


@pytest.mark.long
def test_the_answer_is_the_networks_and_the_picture_what_it_reads(server, digit):
    _, address, run = server
    status, found, _ = ask(address, body=png(digit))
    assert status == 200
    expected = softmax(Classifier(finished_run.load(str(run))).logits(digit[None])[0].astype(np.float64))
    order = np.argsort(-expected)[:5]
    assert [each["index"] for each in found["predictions"]] == order.tolist()
    assert [each["class"] for each in found["predictions"]] == [NAMES[index] for index in order]
    assert [each["probability"] for each in found["predictions"]] == pytest.approx(expected[order], rel=1e-4)
    np.testing.assert_array_equal(pixels(found["picture"]), digit)


def test_each_class_has_a_map_of_the_pictures_size(address, digit):
    maps = []
    for index in (0, 7):
        status, found, _ = ask(address, path=f"/saliency?class={index}", body=png(digit))
        assert status == 200
        maps.append(pixels(found["map"]))
        assert maps[-1].shape == digit.shape
    assert (maps[0] != maps[1]).any()
    for number in ("", "10", "-1", "x", "1e9"):
        status, found, _ = ask(address, path=f"/saliency?class={number}", body=png(digit))
        assert (status, found) == (400, {"error": "class must be the number of a class."})


def test_bad_pictures_cost_one_line_and_a_good_one_is_still_answered(server, digit):
    process, address, _ = server
    for name, content in bad_pictures.odd().items():
        assert ask(address, body=content)[0] == 200, name
    for name, content in bad_pictures.broken().items():
        status, found, _ = ask(address, body=content)
        assert status == 422, name
        assert list(found) == ["error"]
        assert found["error"].removeprefix("cannot read ").startswith("the picture ")
        assert len(found["error"].splitlines()) == 1
    status, found, _ = ask(address, body=bad_pictures.nearly_too_large())
    assert (status, found["error"]) == (422, "the picture is 9900 x 9900 pixels, more than the 50,000,000 allowed.")
    assert ask(address, body=png(digit))[0] == 200
    assert process.poll() is None


def test_an_upload_that_is_too_large_is_refused(address):
    for body in (bytes(MOST_BYTES + 1), iter([bytes(2**20)] * 12)):  # the second says no length beforehand
        status, found, _ = ask(address, body=body)
        assert (status, found) == (413, {"error": "the file has more than 10 MB."})


def test_several_at_once_are_answered_one_after_the_other(finished, monkeypatch):
    application = Demo(finished_run.load(str(finished[0])), top=1, hosts=("here:1",))
    images, under_way, most = sources.load("digits").test.images[:12], [], 0
    open_picture = application_module.open_picture

    def watched(content, *others, **options):
        nonlocal most
        under_way.append(content)
        most = max(most, len(under_way))
        time.sleep(0.01)
        under_way.remove(content)
        return open_picture(content, *others, **options)

    def post(image):
        headers = {"Host": "here:1", "Origin": "http://here:1"}
        return Client(application).post("/predict", data=png(image), headers=headers).json

    monkeypatch.setattr(application_module, "open_picture", watched)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(post, images))
    assert most == 1
    assert together == list(map(post, images))
    assert len({each["picture"] for each in together}) == 12


def test_other_names_other_pages_and_other_paths_are_refused(address, digit):
    port = address.split(":")[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{int(port) - 1}", ""):
        for method, path in (("GET", "/"), ("POST", "/predict")):
            status, found, _ = ask(address, method, path, png(digit), Host=host, Origin=f"http://{host}")
            assert status in (400, 403), host
            assert b"<!doctype" not in (found if isinstance(found, bytes) else b"")
    for origin in ("http://evil.example", "null", "", f"https://{address}", f"http://localhost:{port}"):
        status, found, _ = ask(address, body=png(digit), Origin=origin)
        assert (status, found) == (403, {"error": "only the page itself may ask."})
    assert ask(address, body=png(digit), Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200
    assert ask(address, "GET", "/page.js")[0] == 404
    assert ask(address, "GET", "/../demo.py")[0] == 404
    assert ask(address, "GET", "/predict")[0] == 405
    assert ask(address, "DELETE", "/")[0] == 405


def test_the_page_runs_only_what_is_in_it_and_no_other_site_may_read_it(address, digit):
    status, page, headers = ask(address, "GET", "/")
    assert status == 200
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-\S+'", policy["script-src"])
    assert re.fullmatch(r"'sha256-\S+'", policy["style-src"])
    assert b"&lt;i&gt;not the real data&lt;/i&gt;" in page
    assert b"<b onclick" not in page
    assert not re.findall(rb"(?:src|href)=[\"']?http|url\(|@import", page)
    for _, _, each in (ask(address, "GET", "/"), ask(address, body=png(digit)), ask(address, body=b"no")):
        assert each["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in each
        assert each["Content-Security-Policy"] == headers["Content-Security-Policy"]


def test_a_request_that_stops_half_way_does_not_stop_the_others(address, digit):
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as stalled, socket.create_connection((host, int(port))) as reset:
        for each in (stalled, reset):
            each.sendall(f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5000\r\n".encode())
            each.sendall(f"Origin: http://{address}\r\n\r\nhalf".encode())
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.close()
        assert ask(address, body=png(digit), wait=PATIENCE - 10)[0] == 200


def test_mistakes_end_with_status_2_and_a_line(finished, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for argv, says in (
            ([str(finished[0]), "--port", port], f"port {port} is not to be had (Address already in use). Choose"),
            ([str(finished[0]), "--port", "65536"], "--port must be less than 65536"),
            ([str(tmp_path), "--port", "0"], "there is no run in"),
            ([], "name the folder of a run"),
        ):
            assert main(argv) == 2
            out, err = capsys.readouterr()
            assert says in err
            assert len(err.splitlines()) == 1
            assert out == ""


def test_ctrl_c_ends_it_quietly_and_the_run_is_as_it_was(server, finished):
    process, _, run = server
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert err == "<i>not the real data</i>\n"
    for folder, _, names in os.walk(finished[0]):
        for name in names:
            before = os.path.join(folder, name)
            after = run / os.path.relpath(before, finished[0])
            if name != "config.json":
                with open(before, "rb") as one, open(after, "rb") as other:
                    assert one.read() == other.read()
    assert sum(len(names) for _, _, names in os.walk(run)) == sum(len(names) for _, _, names in os.walk(finished[0]))
