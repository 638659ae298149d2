"""Eight simulated devices, strict shapes, caches of the tests' own, and no network."""

import os
import signal
import socket

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdl import download as downloading
from jaxdl.run import compilation_cache
from tests.download_site import serving

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    """The CPU alone, for the processes that tests start too, but where an accelerator is what is tested."""
    if config.option.markexpr != "accelerator":
        os.environ["JAX_PLATFORMS"] = "cpu"
        jax.config.update("jax_platforms", "cpu")


# A shell's background job ignores Ctrl-C, and so would the processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_caches(tmp_path_factory, worker_id, pytestconfig):
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # which the workers have in common
    os.environ["JAXDL_CACHE"] = str(folder / "cache")
    # What one test has compiled the next need not, nor the next session: whole runs compile the same steps. Processes
    # that tests start, and may kill while they write there, have no part in it.
    compilation_cache.use(pytestconfig.rootpath / ".pytest_cache")


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Thousands of them would take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"the tests may not reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def picture_folder(tmp_path, rng):
    """``train`` and ``test``, each with ``ants`` and ``bees`` of three 40x30 pictures: PNG, JPEG, one with alpha."""
    for split in ("train", "test"):
        for name in ("ants", "bees"):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            pixels = rng.integers(0, 256, (30, 40, 4), np.uint8)
            Image.fromarray(pixels[..., :3]).save(folder / "a.png")
            Image.fromarray(pixels[..., :3]).save(folder / "b.JPG", quality=90)
            Image.fromarray(pixels).save(folder / "c.png")
    return tmp_path / "pictures"


@pytest.fixture
def site(monkeypatch):
    """A server of a file, which does as a test says."""
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with serving() as site:
        yield site


@pytest.fixture
def path(tmp_path):
    """In a folder that does not exist yet."""
    return tmp_path / "new" / "weights.pth"
