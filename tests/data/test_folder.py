import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import decoding, folder, sources
from jaxdl.errors import UserError


def test_folder_reads_classes_in_sorted_order_resized_as_rgb(picture_folder):
    dataset = sources.load("folder", picture_folder, image_size=16)
    assert dataset.classes == ("ants", "bees")
    assert dataset.train.images.shape == dataset.test.images.shape == (6, 16, 16, 3)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    with Image.open(picture_folder / "train" / "bees" / "a.png") as image:
        expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(dataset.train.images[3], expected)


def test_folder_is_read_anew_when_a_picture_changes(picture_folder):
    before = sources.load("folder", picture_folder).fingerprint
    assert sources.load("folder", picture_folder).fingerprint == before
    Image.new("RGB", (9, 9), "red").save(picture_folder / "train" / "ants" / "a.png")
    assert sources.load("folder", picture_folder).fingerprint != before


def test_open_picture_turns_by_exif(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    turned = decoding.open_picture(tmp_path / "a.png", 8)
    assert turned[:4].max() == 0
    assert turned[4:].min() == 255


@pytest.mark.parametrize("damage", ["truncate", "empty", "text"])
def test_an_unreadable_picture_is_named(picture_folder, damage):
    path = picture_folder / "test" / "bees" / "b.JPG"
    content = {"truncate": path.read_bytes()[:300], "empty": b"", "text": b"not a picture"}[damage]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"b\.JPG"):
        sources.load("folder", picture_folder)


def test_a_picture_that_claims_too_many_pixels_is_refused_undecoded(tmp_path, monkeypatch):
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MOST_PIXELS", 800)
    with pytest.raises(UserError, match="30 x 30 pixels"):
        decoding.open_picture(tmp_path / "a.png", 8)


def test_an_empty_class_and_a_missing_one_are_named(picture_folder):
    for file in (picture_folder / "train" / "ants").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="train/ants holds no pictures"):
        sources.load("folder", picture_folder)
    shutil.rmtree(picture_folder / "train" / "ants")
    with pytest.raises(UserError, match="must hold the same classes: ants only in test/"):
        sources.load("folder", picture_folder)
    shutil.rmtree(picture_folder / "test")
    (picture_folder / "train" / "cats").mkdir()
    with pytest.raises(UserError, match="test is not a folder"):
        sources.load("folder", picture_folder)


def test_splits_with_different_classes_are_refused(picture_folder):
    (picture_folder / "test" / "bees").rename(picture_folder / "test" / "wasps")
    with pytest.raises(UserError, match="must hold the same classes: bees only in train/; wasps only in test/"):
        sources.load("folder", picture_folder)


def test_listing_names_the_pictures_in_the_order_in_which_they_are_read(picture_folder, monkeypatch):
    (picture_folder / "train" / "ants" / ".hidden.png").write_bytes(b"")
    (picture_folder / "train" / "ants" / "notes.txt").write_bytes(b"")
    (picture_folder / "train" / "ants" / "d.png").mkdir()
    monkeypatch.setattr(decoding, "open_picture", None)
    classes, splits, remarks = folder.listing(picture_folder)
    names, labels = splits["train"]
    assert classes == ["ants", "bees"]
    assert names.tolist() == [
        f"train/{name}/{file}".encode() for name in classes for file in ("a.png", "b.JPG", "c.png")
    ]
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert labels.dtype == np.int32
    assert remarks == ["left out of train/ants/: 1 .txt file"]


def test_decoded_bytes_are_those_of_the_arrays(picture_folder):
    dataset = sources.load("folder", picture_folder, image_size=20)
    assert folder.decoded_bytes(picture_folder, size=20) == dataset.train.images.nbytes + dataset.test.images.nbytes


def test_folder_imports_no_tensorflow(picture_folder):
    program = (
        "import sys; from jaxdl.data import sources; "
        f"sources.load('folder', {str(picture_folder)!r}); "
        "print([name for name in sys.modules if name.startswith('tensorflow')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_streamed_folder_decodes_nothing_and_says_that_it_is_read_later(picture_folder, monkeypatch):
    held = sources.load("folder", picture_folder, image_size=16)
    monkeypatch.setattr(decoding, "open_picture", None)
    streamed = sources.load("folder", picture_folder, image_size=16, stream=True)
    assert streamed.classes == held.classes
    assert streamed.source == f"pictures in {picture_folder}, read as they are needed, resized to 16x16"
    for split, expected in ((streamed.train, held.train), (streamed.test, held.test)):
        assert split.images.shape == expected.images.shape
        np.testing.assert_array_equal(split.labels, expected.labels)


def test_the_fingerprint_of_a_stream_changes_with_a_files_size_name_and_class_and_with_the_image_size(picture_folder):
    def fingerprint(size=16):
        return sources.load("folder", picture_folder, image_size=size, stream=True).fingerprint

    found = [fingerprint(), fingerprint(size=17)]
    assert fingerprint() == found[0]
    path = picture_folder / "train" / "ants" / "a.png"
    path.write_bytes(path.read_bytes() + b"\0")
    found.append(fingerprint())
    path = path.rename(path.with_name("z.png"))
    found.append(fingerprint())
    path.rename(picture_folder / "train" / "bees" / "z.png")
    found.append(fingerprint())
    assert len(set(found)) == 5


@pytest.mark.parametrize("name", ["auto", "cifar10", "digits"])
def test_only_a_folder_can_be_streamed(name):
    with pytest.raises(UserError, match=f"only dataset folder can be streamed: {name}"):
        sources.load(name, stream=True)
