"""The table against torchvision's own, and where a file is found."""

import hashlib
import re

import pytest

from jaxdl import models
from jaxdl.data import cache
from jaxdl.download import DownloadError
from jaxdl.errors import UserError
from jaxdl.transfer import torchvision_files
from jaxdl.transfer.published import PUBLISHED, SEGMENTERS, Published
from jaxdl.transfer.torchvision_files import BASE, network_of, published_as, torchvision_weights
from tests.download_site import CONTENT, serving
from tests.pytorch import torch, torchvision

FILE = f"vgg11-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "jaxdl"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def _small(monkeypatch):
    monkeypatch.setattr(torchvision_files, "PUBLISHED", {"vgg11": (Published(FILE),)})


@pytest.fixture
def site(_small, monkeypatch):
    with serving() as site:
        monkeypatch.setattr(torchvision_files, "BASE", f"{site.url}/")
        yield site


def put(folder, content=CONTENT):
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(content)
    return folder / FILE


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_files_and_preprocessing_are_torchvisions(name):
    theirs = torchvision().models.get_model_weights(name)
    known = {BASE + each.file: each for each in PUBLISHED[name]}
    assert BASE + PUBLISHED[name][0].file == theirs.DEFAULT.url
    for weights in theirs:
        if weights.name == "IMAGENET1K_FEATURES":  # without a classifier, for a detector
            continue
        ours, transforms = known.pop(weights.url), weights.transforms()
        assert ([ours.size], [ours.resize]) == (transforms.crop_size, transforms.resize_size)
        assert ours.interpolation == transforms.interpolation.value
        assert (list(ours.mean), list(ours.std)) == (transforms.mean, transforms.std)
    assert not known


@pytest.mark.parametrize("name", list(SEGMENTERS))
def test_files_of_segmenters_are_torchvisions(name):
    theirs = torchvision().models.get_model_weights(name).DEFAULT
    [ours], transforms = SEGMENTERS[name], theirs.transforms()
    assert BASE + ours.file == theirs.url
    assert ([ours.resize], list(ours.mean), list(ours.std)) == (transforms.resize_size, transforms.mean, transforms.std)


def test_every_classifier_of_torchvision_is_here_with_its_files():
    library = torchvision().models
    theirs = set(library.list_models(module=library))
    assert set(PUBLISHED) == theirs
    others = {name for name in models.names() if not name.startswith("dinov2_")} - set(PUBLISHED)
    assert others == {"cifar_cnn", "quick_cnn", "speed_cnn", "speed_cnn_muon"}
    assert theirs <= set(models.names())


def test_file_name_ends_in_the_start_of_a_hash():
    files = [each for published in PUBLISHED.values() for each in published]
    assert all(re.fullmatch("[0-9a-f]{8,10}", each.sha256_prefix) for each in files)
    assert all(each.file.endswith(f"-{each.sha256_prefix}.pth") for each in files)


@pytest.mark.usefixtures("_small")
def test_published_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    assert published_as(path, "vgg11") == Published(FILE)
    assert published_as(path, "cifar_cnn") is None
    assert network_of(path) == "vgg11"
    path.write_bytes(CONTENT + b"!")
    assert published_as(path, "vgg11") is None
    assert network_of(path) is None


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
