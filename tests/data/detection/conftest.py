"""A cache of each test's own, and the real data where it is."""

import tarfile
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "cache"))


def unpacked(name, folder):
    archive = SHARED / f"{name}.tar.xz"
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder / name


@pytest.fixture(scope="session")
def bccd(tmp_path_factory):
    """364 pictures of blood cells, as VOC."""
    return unpacked("bccd", tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="session")
def coco(tmp_path_factory):
    """200 pictures of COCO 2017 with masks."""
    return unpacked("coco", tmp_path_factory.mktemp("real"))
