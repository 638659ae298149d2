"""Fixtures for tests of downloads: a server, and a path in a folder that does not exist yet."""

import pytest

from jaxdl.transfer import download as downloading
from tests.transfer.download_site import serving


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with serving() as site:
        yield site


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "weights.pth"
