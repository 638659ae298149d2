import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from jaxdl.data import cifar10, sources
from jaxdl.errors import UserError

PREPARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "tfds"
real_cifar10 = pytest.mark.skipif(not PREPARED.is_dir(), reason="no prepared CIFAR-10 beside the checkout")


def test_digits_are_sklearns_enlarged_and_split_by_class():
    dataset = sources.load("digits")
    assert dataset.train.images.shape == (1437, 32, 32, 3)
    assert dataset.test.images.shape == (360, 32, 32, 3)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.labels.dtype == np.int32
    assert np.bincount(dataset.test.labels).min() >= 34
    assert not dataset.mirrorable
    assert dataset.notice is None
    from sklearn.datasets import load_digits

    rows = {np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in load_digits().images}
    small = dataset.train.images[:, ::4, ::4, 0]
    assert all(image.tobytes() in rows for image in small)
    np.testing.assert_array_equal(small.repeat(4, 1).repeat(4, 2), dataset.train.images[..., 2])


def test_auto_without_cifar10_takes_digits_and_says_so(tmp_path):
    dataset = sources.load("auto", tmp_path, offline=True)
    assert dataset.name == "digits"
    assert "NOT CIFAR-10" in dataset.notice
    assert str(tmp_path) in dataset.notice


def test_cifar10_never_falls_back_and_names_the_ways_out(tmp_path):
    with pytest.raises(sources.UnavailableError, match=r"data_dir.*dataset folder.*dataset digits"):
        sources.load("cifar10", tmp_path, offline=True)


def test_a_host_that_does_not_answer_ends_in_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "HOST_PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(cifar10, "HOST", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        began = time.monotonic()
        with pytest.raises(sources.UnavailableError, match="did not answer"):
            sources.load("cifar10", tmp_path)
        assert time.monotonic() - began < 20
        assert sources.load("auto", tmp_path).name == "digits"


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, True), (503, False)])
def test_a_host_answers_if_it_speaks_http_without_failing(status, answers):
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert cifar10._answers(f"http://127.0.0.1:{server.server_port}/", 5.0) is answers


@pytest.mark.parametrize("name", ["auto", "cifar10"])
def test_a_data_dir_without_the_data_is_the_users_mistake(tmp_path, name):
    with pytest.raises(UserError, match="not a folder"):
        sources.load(name, tmp_path / "absent")
    (tmp_path / "something").write_text("")
    with pytest.raises(UserError, match="no prepared CIFAR-10"):
        sources.load(name, tmp_path)


def test_an_unfinished_download_may_be_tried_again(tmp_path):
    (tmp_path / "cifar10" / "incomplete.ABC_3.0.2").mkdir(parents=True)
    (tmp_path / "downloads").mkdir()
    with pytest.raises(sources.UnavailableError):  # the download is tried, and here forbidden
        sources.load("cifar10", tmp_path, offline=True)


def test_folder_needs_a_data_dir():
    with pytest.raises(UserError, match="needs data_dir"):
        sources.load("folder")


def test_an_unknown_dataset_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean cifar10"):
        sources.load("cifar-10")


@pytest.mark.long
@real_cifar10
@pytest.mark.skipif(not cifar10.has_tensorflow(), reason="no TensorFlow, through which TFDS reads")
def test_cifar10_is_whole_and_its_second_start_needs_no_tensorflow(tmp_path):
    program = (
        "import sys; from jaxdl.data import cifar10, sources; import numpy as np; "
        f"d = sources.load('cifar10', {str(PREPARED)!r}); "
        "print(d.train.images.shape, d.test.images.shape, np.bincount(d.train.labels).tolist(), d.fingerprint, "
        "'tensorflow' in sys.modules)"
    )
    own = {**os.environ, "JAXDL_CACHE": str(tmp_path)}  # where no other test has been
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=own
        ).stdout.split()
        for _ in range(2)
    )
    assert first[-1] == "True"
    assert second[-1] == "False"
    assert first[:-1] == second[:-1]
    assert " ".join(first).startswith("(50000, 32, 32, 3) (10000, 32, 32, 3) [5000, 5000,")


@real_cifar10
@pytest.mark.skipif(not cifar10.has_tensorflow(), reason="no TensorFlow, through which TFDS reads")
def test_a_damaged_preparation_is_named(tmp_path):
    shutil.copytree(PREPARED / "cifar10", tmp_path / "cifar10")
    (path,) = (tmp_path / "cifar10").glob("*/cifar10-train.tfrecord*")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(UserError, match="cannot be read"):
        sources.load("cifar10", tmp_path)
