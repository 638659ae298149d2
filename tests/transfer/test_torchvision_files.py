"""The table against torchvision's own, and where a file is found."""

import hashlib
import re

import pytest

from jaxdl import models
from jaxdl.data import cache
from jaxdl.download import DownloadError
from jaxdl.errors import UserError
from jaxdl.transfer import torchvision_files
from jaxdl.transfer.torchvision_files import BASE, FILES, torchvision_weights
from tests.download_site import CONTENT, serving
from tests.pytorch import torch, torchvision

FILE = f"vgg11-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "jaxdl"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def _small(monkeypatch):
    monkeypatch.setattr(torchvision_files, "FILES", {"vgg11": FILE})


@pytest.fixture
def site(_small, monkeypatch):
    with serving() as site:
        monkeypatch.setattr(torchvision_files, "BASE", f"{site.url}/")
        yield site


def put(folder, content=CONTENT):
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(content)
    return folder / FILE


@pytest.mark.parametrize("name", list(FILES))
def test_file_is_torchvisions_default(name):
    assert torchvision().models.get_model_weights(name).DEFAULT.url == BASE + FILES[name]


def test_every_model_of_both_libraries_has_a_file():
    assert set(models.names()) - set(FILES) == {"cifar_cnn", "quick_cnn", "speed_cnn", "speed_cnn_muon"}


def test_file_name_ends_in_the_start_of_a_hash():
    assert all(re.fullmatch(r"[\w.-]+-[0-9a-f]{8,10}\.pth", file) for file in FILES.values())


def test_file_is_downloaded_once(site, tmp_path):
    path = torchvision_weights("vgg11")
    assert path == tmp_path / "jaxdl" / "weights" / FILE
    assert path.read_bytes() == CONTENT
    assert torchvision_weights("vgg11") == path
    assert site.ranges == [None]


def test_file_is_downloaded_into_the_folder_named(site, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert torchvision_weights("vgg11", folder="~/mine") == tmp_path / "mine" / FILE
    assert torchvision_weights("vgg11", folder=tmp_path / "mine", offline=True).read_bytes() == CONTENT
    assert len(site.ranges) == 1


def test_file_that_pytorch_downloaded_is_used(site, tmp_path):
    path = put(tmp_path / "torch" / "hub" / "checkpoints")
    assert torchvision_weights("vgg11") == path
    assert site.ranges == []
    mine = put(tmp_path / "mine")
    assert torchvision_weights("vgg11", folder=tmp_path / "mine") == mine


@pytest.mark.parametrize("folder", ["jaxdl/weights", "torch/hub/checkpoints"])
def test_damaged_file_is_refused(folder, site, tmp_path):
    path = put(tmp_path / folder, CONTENT[:-1])
    with pytest.raises(UserError, match=f"{path} is damaged: .*Remove it") as caught:
        torchvision_weights("vgg11")
    assert not isinstance(caught.value, DownloadError)
    assert site.ranges == []


def test_offline_says_where_the_file_can_be_put(site, tmp_path):
    folder = tmp_path / "jaxdl" / "weights"
    with pytest.raises(DownloadError, match=f"not in {folder} and offline.* Fetch {site.url}/{FILE} .* put it there"):
        torchvision_weights("vgg11", offline=True)
    assert site.ranges == []
    assert not folder.exists()
    put(folder)
    assert torchvision_weights("vgg11", offline=True) == folder / FILE


@pytest.mark.usefixtures("_small")
def test_no_network_says_where_the_file_can_be_put(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision_files, "BASE", "http://127.0.0.1:9/")
    with pytest.raises(DownloadError) as caught:
        torchvision_weights("vgg11")
    problem, way = str(caught.value).splitlines()
    assert problem.startswith(f"cannot download http://127.0.0.1:9/{FILE}: ")
    assert way == f"Or fetch http://127.0.0.1:9/{FILE} elsewhere and put it into {tmp_path / 'jaxdl' / 'weights'}."


@pytest.mark.parametrize(("name", "near"), [("quick_cnn", ""), ("resnet81", "Did you mean resnet18")])
def test_model_that_torchvision_has_no_file_for_is_refused(name, near):
    with pytest.raises(UserError, match=f"unknown torchvision model '{name}'.*{near}.*Known: alexnet, "):
        torchvision_weights(name)


@pytest.mark.parametrize("chosen", ["JAXDL_CACHE", "TORCH_HOME", "XDG_CACHE_HOME", None])
def test_folders_are_where_the_cache_and_torch_hub_have_them(chosen, tmp_path, monkeypatch):
    for name in ("JAXDL_CACHE", "TORCH_HOME", "XDG_CACHE_HOME", "TORCH_HUB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if chosen:
        monkeypatch.setenv(chosen, str(tmp_path / "chosen"))
    assert torchvision_files._folder() == cache.directory() / "weights"
    assert str(torchvision_files._torch_folder()) == f"{torch().hub.get_dir()}/checkpoints"
