"""Where the user's own files lie, also for a user that the system does not know."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jaxdl import places

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A process without a home and without an entry in the list of users."""

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "XDG_CACHE_HOME", "JAXDL_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_cache_is_where_the_environment_says_or_in_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MINE", raising=False)
    assert places.cache("program", variable="MINE") == Path("/home/me/.cache/program")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert places.cache("program", variable="MINE") == Path("/caches/program")
    monkeypatch.setenv("MINE", "~/mine")
    assert places.cache("program", variable="MINE") == Path("/home/me/mine")


def test_without_a_home_the_cache_is_a_temporary_folder_that_others_cannot_have_made(nobody, tmp_path):
    assert places.home() is None
    own = places.cache("program", variable="MINE")
    assert own == places.cache("program", variable="MINE") == tmp_path / f"program-{os.getuid()}"
    assert own.stat().st_mode & 0o077 == 0
    own.chmod(0o777)  # as one that somebody else has made would be
    assert places.cache("program", variable="MINE") != own
    own.rmdir()
    own.symlink_to(tmp_path)
    assert places.cache("program", variable="MINE") != own


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user that nobody knows")
def test_a_user_that_the_system_does_not_know_is_answered_in_lines(tmp_path):
    program = (
        "import os\n"
        "from jaxdl.data import cache, sources\n"
        "from jaxdl.transfer.torchvision_files import torchvision_weights\n"
        "os.environ.pop('HOME', None); os.setgid(54321); os.setuid(54321)\n"
        "print(cache.directory().stat().st_uid)\n"
        "for load, name in ((sources.load, 'cifar10'), (torchvision_weights, 'resnet18')):\n"
        "    try: load(name, offline=True)\n"
        "    except ValueError as error: print(error)\n"
    )
    places_of = ("HOME", "JAXDL_CACHE", "XDG_CACHE_HOME", "TFDS_DATA_DIR", "TORCH_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in places_of}
    with tempfile.TemporaryDirectory() as open_to_all:  # the tests' own is not
        os.chmod(open_to_all, 0o1777)
        environment["TMPDIR"] = open_to_all
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert "jaxdl-54321" in os.listdir(open_to_all)
    assert (done.returncode, done.stderr) == (0, "")
    uid, cifar10, weights = done.stdout.splitlines()
    assert uid == "54321"
    assert cifar10 == "there is no home folder in which CIFAR-10 could lie. Name a folder with data_dir."
    assert weights.startswith("torchvision's weights for resnet18 are not in")
