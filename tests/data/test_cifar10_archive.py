"""CIFAR-10 without TensorFlow: TFDS's own arrays, from an archive of the published form."""

import hashlib
import io
import tarfile
from importlib.resources import files
from unittest import mock

import numpy as np
import pytest

from jaxdl.data import cifar10, cifar10_archive, sources
from jaxdl.errors import UserError

IMAGES = 30  # of a file, in place of 10,000


@pytest.fixture
def archive(tmp_path, monkeypatch, rng):
    """An archive of the published form with few images, and the folder in it."""
    monkeypatch.setattr(cifar10_archive, "IMAGES", IMAGES)
    folder = tmp_path / cifar10_archive.FOLDER
    folder.mkdir()
    for name in (*cifar10_archive.FILES["train"], *cifar10_archive.FILES["test"]):
        records = rng.integers(0, 256, (IMAGES, cifar10_archive.RECORD)).astype(np.uint8)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(cifar10.CLASSES) + "\n")
    with tarfile.open(tmp_path / cifar10_archive.NAME, "w:gz") as file:
        file.add(folder, cifar10_archive.FOLDER)
    return tmp_path / cifar10_archive.NAME


@pytest.fixture
def without_tensorflow(monkeypatch, tmp_path):
    monkeypatch.setattr(cifar10, "has_tensorflow", lambda: False)
    monkeypatch.setenv("JAXDL_CACHE", str(tmp_path / "cache"))


@pytest.mark.long
@pytest.mark.skipif(not cifar10.has_tensorflow(), reason="no TensorFlow, through which TFDS prepares")
def test_the_arrays_are_those_of_tfds(archive, tmp_path):
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar10", data_dir=tmp_path / "tfds")
    with mock.patch.object(tfds.download.DownloadManager, "download_and_extract", return_value=str(tmp_path)):
        builder.download_and_prepare()
    through_tfds, from_archive = (sources.load("cifar10", folder) for folder in (tmp_path / "tfds", tmp_path))
    for split in ("train", "test"):
        ours, theirs = getattr(from_archive, split), getattr(through_tfds, split)
        assert len(ours) == IMAGES * len(cifar10_archive.FILES[split])
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
    assert from_archive.fingerprint == through_tfds.fingerprint  # a run of the one is resumed on the other


def test_the_checksum_is_that_which_tfds_has_on_record():
    recorded = files("tensorflow_datasets").joinpath("url_checksums/cifar10.txt")
    if not recorded.is_file():
        recorded = files("tensorflow_datasets").joinpath("image_classification/cifar/checksums.tsv")
    url, _, sha256, *_ = recorded.read_text().split()
    assert (url, sha256) == (cifar10_archive.URL, cifar10_archive.SHA256)


def test_without_tensorflow_the_archive_is_downloaded_and_kept(
    archive, tmp_path, monkeypatch, without_tensorflow, site
):
    content = archive.read_bytes()
    site.content = memoryview(content)
    monkeypatch.setattr(cifar10, "_answers", lambda url, patience: True)
    monkeypatch.setattr(cifar10_archive, "URL", site.url)
    root = tmp_path / "new"
    root.mkdir()
    with pytest.raises(sources.UnavailableError, match=r"download of CIFAR-10 into .*new failed"):
        sources.load("cifar10", root)  # of another checksum
    assert sources.load("auto", root).name == "digits"
    monkeypatch.setattr(cifar10_archive, "SHA256", hashlib.sha256(content).hexdigest())
    dataset = sources.load("cifar10", root)
    assert len(dataset.train) == 5 * IMAGES
    assert (root / cifar10_archive.NAME).read_bytes() == content
    assert "the published archive" in dataset.source
    site.content = memoryview(b"")  # and asked for no more
    again = sources.load("cifar10", root, offline=True)
    np.testing.assert_array_equal(again.test.images, dataset.test.images)


def test_a_folder_of_tfds_says_without_tensorflow_what_to_do(tmp_path, without_tensorflow):
    version = tmp_path / "cifar10" / "3.0.2"
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text("{}")
    with pytest.raises(UserError, match=r"through TensorFlow, and that is not installed.*cifar-10-binary\.tar\.gz"):
        sources.load("cifar10", tmp_path)


def file_of(tmp_path, **contents):
    path = tmp_path / cifar10_archive.NAME
    with tarfile.open(path, "w:gz") as file:
        for name, content in contents.items():
            about = tarfile.TarInfo(f"{cifar10_archive.FOLDER}/{name}.bin")
            about.size = len(content)
            file.addfile(about, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda tmp_path: file_of(tmp_path, data_batch_1=b"short"),
        lambda tmp_path: file_of(tmp_path),
        lambda tmp_path: (tmp_path / cifar10_archive.NAME).write_bytes(b"no archive"),
        lambda tmp_path: (tmp_path / cifar10_archive.NAME).write_bytes(b""),
        lambda tmp_path: file_of(
            tmp_path,
            **{f"data_batch_{number}": b"\xff" * 30 * cifar10_archive.RECORD for number in range(1, 6)},
        ),
    ],
    ids=["short", "empty", "no archive", "nothing", "labels beyond 9"],
)
def test_what_is_not_the_archive_is_named(tmp_path, monkeypatch, write):
    monkeypatch.setattr(cifar10_archive, "IMAGES", IMAGES)
    write(tmp_path)
    with pytest.raises(UserError, match=r"cifar-10-binary\.tar\.gz is not the published archive of CIFAR-10"):
        sources.load("cifar10", tmp_path)
