"""Picture folders as people have them: whatever is in one is read, or said to be left out."""

import os
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import folder, picture_files, sources
from jaxdl.data.dataset import channel_statistics
from jaxdl.data.framing import Framing
from jaxdl.errors import UserError

FORMS = {".bmp": "BMP", ".webp": "WEBP", ".gif": "GIF", ".tif": "TIFF", ".jfif": "JPEG", ".ppm": "PPM", ".PNG": "PNG"}


def draw(path, form=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pixels = np.random.default_rng(len(os.fsencode(path))).integers(0, 256, (9, 12, 3), np.uint8)
    with open(path, "wb") as file:
        Image.fromarray(pixels).save(file, form or "PNG")


@pytest.fixture
def root(tmp_path):
    """``train`` and ``test``, each with ``cat`` and ``dog`` of three pictures."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(3):
                draw(tmp_path / split / name / f"{number}.png")
    return tmp_path


def cats(root, **options):
    """How many pictures of the first class are read, in memory and streamed, and what was said."""
    held, streamed = (sources.load("folder", root, image_size=8, stream=stream, **options) for stream in (False, True))
    np.testing.assert_array_equal(held.train.images, streamed.train.images[:])
    np.testing.assert_array_equal(held.train.labels, streamed.train.labels)
    assert held.remarks == streamed.remarks
    assert held.classes == streamed.classes
    return int((held.train.labels == 0).sum()), held.remarks


def test_every_suffix_of_a_format_that_is_read_is_found(root):
    for suffix, form in FORMS.items():
        draw(root / "train" / "cat" / f"x{suffix}", form)
    assert cats(root) == (3 + len(FORMS), ())


def test_pictures_in_subfolders_and_behind_links_are_found_once(root):
    for number in range(5):
        draw(root / "train" / "cat" / "persian" / "old" / f"{number}.png")
    (root / "train" / "cat" / "again").symlink_to(root / "train" / "cat")
    (root / "elsewhere").mkdir()
    draw(root / "elsewhere" / "a.png")
    (root / "train" / "cat" / "linked").symlink_to(root / "elsewhere")
    (root / "train" / "cat" / "one.png").symlink_to(root / "elsewhere" / "a.png")
    assert cats(root) == (10, ())


def test_what_is_left_out_is_counted_and_said(root):
    cat = root / "train" / "cat"
    for number in range(6):
        (cat / f"gone{number}.jpg").symlink_to("gone.jpg")
    (cat / "loop.png").symlink_to("loop.png")
    (cat / "a.heic").write_bytes(b"x")
    (cat / "notes").write_bytes(b"x")
    (cat / "Thumbs.db").write_bytes(b"x")
    (cat / ".DS_Store").write_bytes(b"x")
    os.mkfifo(cat / "pipe.png")
    (root / "train" / "loop").symlink_to("loop")  # in the place of a class
    count, [remark, other] = cats(root)
    assert count == 3
    assert other == "left out of train/: 1 link that leads nowhere"
    assert remark == (
        "left out of train/cat/: 7 links that lead nowhere, 1 picture's name that is no file, 1 .heic file, "
        "1 file without a suffix"
    )


def test_many_folders_and_many_kinds_are_one_sentence(root):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(8):
                (root / split / name / f"a.kind{number}").write_bytes(b"")
    assert cats(root)[1] == tuple(
        f"left out of {split}/{name}/: {', '.join(f'1 .kind{number} file' for number in range(6))}, 2 other files"
        for split in ("train", "test")
        for name in ("cat", "dog")
    )
    for name in ("emu", "fox"):
        for split in ("train", "test"):
            draw(root / split / name / "a.png")
            (root / split / name / "b.kind0").write_bytes(b"")
    assert cats(root)[1][0].startswith("left out of 4 folders of train/: 4 .kind0 files, 2 .kind1 files")


def test_an_empty_class_says_what_is_there_instead(root):
    for path in (root / "train" / "dog").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(UserError, match=r"train/dog holds no pictures \(.*\), but 3 \.heic files\. Fill or remove it"):
        folder.listing(root)


@pytest.mark.parametrize("stream", [False, True])
def test_every_picture_that_cannot_be_read_is_named(root, stream):
    for number in range(3):
        path = root / "train" / "cat" / f"{number}.png"
        path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(UserError, match="3 pictures cannot be read") as caught:
        channel_statistics(sources.load("folder", root, image_size=8, stream=stream).train.images)
    for number in range(3):
        assert str(root / "train" / "cat" / f"{number}.png") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_of_very_many_pictures_that_cannot_be_read_three_are_named(root):
    for number in range(30):
        (root / "train" / "cat" / f"bad{number}.png").write_bytes(b"no")
    with pytest.raises(UserError, match=r"30 pictures cannot be read.* And 27 more\. Replace or remove them") as caught:
        sources.load("folder", root)
    assert str(caught.value).count(".png") == 3


def test_names_that_are_no_utf8_are_read_and_shown_escaped(root):
    inside = os.path.join(os.fsencode(root), b"train", b"cat")
    os.rename(os.path.join(inside, b"0.png"), os.path.join(inside, b"caf\xe9.png"))
    for split in (b"train", b"test"):
        draw(os.path.join(os.fsencode(root), split, b"\xe9t\xe9", b"\xe8.png"))
    assert cats(root) == (1, ())
    dataset = sources.load("folder", root, image_size=8)
    assert dataset.classes == ("\\xe9t\\xe9", "cat", "dog")
    assert np.bincount(dataset.train.labels).tolist() == [1, 3, 3]
    names, _, _ = folder.labelled(root / "train", dataset.classes)
    assert b"cat/caf\xe9.png" in names.tolist()
    with open(os.path.join(inside, b"caf\xe9.png"), "wb") as file:
        file.write(b"no")
    with pytest.raises(UserError, match=r"caf\\xe9\.png is not one that can be read"):
        sources.load("folder", root, image_size=8)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_pytorchs_own_layout_is_tested_on_its_val_folder(root, name):
    (root / "test").rename(root / name)
    assert cats(root) == (3, (f"there is no test/: the test split is {name}/",))


def test_a_val_folder_beside_test_is_said_not_to_be_read(root):
    draw(root / "val" / "cat" / "a.png")
    assert cats(root) == (3, ("not read: val/; images to validate come from train/",))


def test_pictures_with_their_classes_in_text_files_beside_them_are_read(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        for name in ("ants", "bees"):
            for number in range(count):
                draw(tmp_path / split / f"{name}_image" / f"{number}.jpg", "JPEG")
                text = tmp_path / split / f"{name}_label" / f"{number}.txt"
                text.parent.mkdir(exist_ok=True)
                text.write_text(f"{name}\n" if number else name)
    (tmp_path / "train" / "ants_label" / "0.txt").write_text("bees")  # the text is what counts
    dataset = sources.load("folder", tmp_path, image_size=8)
    assert dataset.classes == ("ants", "bees")
    assert (dataset.train.labels == 0).sum() == 2
    assert (dataset.train.labels == 1).sum() == 4
    assert len(dataset.test) == 4
    (tmp_path / "train" / "ants_label" / "1.txt").write_text("wasps")
    with pytest.raises(UserError, match="wasps only in train/"):
        sources.load("folder", tmp_path)
    (tmp_path / "train" / "ants_label" / "1.txt").write_text("")
    with pytest.raises(UserError, match=r"1\.txt must hold the name of a class in one line"):
        sources.load("folder", tmp_path)
    (tmp_path / "train" / "ants_label" / "1.txt").unlink()
    with pytest.raises(UserError, match=r"cannot be read from .*1\.txt \(No such file"):
        sources.load("folder", tmp_path)


def test_a_folder_that_cannot_be_read_is_refused_where_pictures_are_predicted(tmp_path, monkeypatch):
    draw(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    listdir = os.listdir

    def refusing(path):
        if str(path).endswith("locked"):
            raise PermissionError
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refusing)  # the tests may run as root, who can read everything
    found = picture_files.find(tmp_path)
    assert (found.pictures, found.refused) == (["a.png"], ["locked"])
    assert picture_files.told([found]) == "1 folder that cannot be read"


def test_two_folders_of_one_class_are_both_read_and_what_is_beside_classes_is_said(root):
    for split in ("train", "test"):
        draw(root / split / "all_image" / "a.png")
        text = root / split / "all_label" / "a.txt"
        text.parent.mkdir()
        text.write_text("\ufeffcat", encoding="utf-8")  # as an editor of Windows begins it
    assert cats(root) == (4, ())
    draw(root / "train" / "loose.png")
    (root / "train" / "gone").symlink_to("nowhere")
    assert cats(root) == (4, ("left out of train/: 1 link that leads nowhere, 1 picture in no class",))


def test_a_link_into_another_class_is_refused(root):
    """Every picture of one class would be of the other too, and nothing would say so."""
    (root / "train" / "cat" / "all").symlink_to("..")
    with pytest.raises(UserError, match=r"train/cat/all/dog and .*train/dog are one folder"):
        folder.listing(root)


def test_a_class_that_is_a_link_to_another_is_refused(root):
    for split in ("train", "test"):
        (root / split / "hound").symlink_to("dog")
    with pytest.raises(UserError, match=r"train/dog and .*train/hound are one folder"):
        folder.listing(root)


def test_pictures_of_both_splits_that_cannot_be_read_are_named(root):
    broken = [root / "train" / "cat" / "broken.png", root / "test" / "dog" / "broken.png"]
    for path in broken:
        path.write_bytes(b"no picture")
    with pytest.raises(UserError) as caught:
        folder.read(root, Framing(8))
    assert all(str(path) in str(caught.value) for path in broken)


def test_a_test_split_that_is_the_training_split_is_said(root):
    shutil.rmtree(root / "test")
    (root / "test").symlink_to("train")
    assert "test/ and train/ are one folder: the test says how well images are remembered" in cats(root)[1]


def test_an_empty_test_folder_gives_way_to_a_full_val_folder(root):
    (root / "test").rename(root / "val")
    (root / "test").mkdir()
    listed = folder.listing(root)
    assert "test/ is empty: the test split is val/" in listed.remarks
    assert len(listed.splits["test"][0])


def test_case_of_the_splits_names_is_of_no_matter(root):
    (root / "train").rename(root / "Train")
    (root / "test").rename(root / "VAL")
    assert folder.listing(root).splits["test"][0][0].startswith(b"VAL/")


def test_a_class_is_one_however_its_accents_are_encoded(root):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        (root / split / "cat").rename(root / split / unicodedata.normalize(form, "chat tigr\u00e9"))
    assert folder.listing(root).classes == ["chat tigr\u00e9", "dog"]


@pytest.mark.parametrize(("suffix", "encoding"), [(".TXT", "utf-8"), (".txt", "utf-16"), (".txt", "utf-8-sig")])
def test_classes_in_text_files_of_other_systems_are_read(tmp_path, suffix, encoding):
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / split / f"{name}s_label").mkdir(parents=True)
            draw(tmp_path / split / f"{name}s_image" / "1.png")
            (tmp_path / split / f"{name}s_label" / f"1{suffix}").write_text(f"{name}\r\n", encoding)
    assert folder.listing(tmp_path).classes == ["ant", "bee"]


def test_pictures_of_kinds_that_are_not_read_are_named_first(root):
    for suffix in ("csv", "json", "md", "npy", "py", "txt", "xml", "heic"):
        (root / "train" / "cat" / f"x.{suffix}").write_text("x")
    assert "cat/: 1 .heic file, " in cats(root)[1][0]


def test_a_link_from_one_split_into_the_other_is_refused(root):
    (root / "train" / "cat" / "more").symlink_to(root / "test" / "cat")
    with pytest.raises(UserError, match=r"train/cat/more.*test/cat.*one folder, by a link.*in both splits"):
        sources.load("folder", root, image_size=8)


def test_a_picture_of_two_classes_or_of_both_splits_is_said(root):
    (root / "train" / "dog" / "z.png").symlink_to(root / "train" / "cat" / "0.png")
    os.link(root / "train" / "dog" / "0.png", root / "test" / "dog" / "copy.png")
    _, remarks = cats(root)
    assert remarks == (
        "1 picture in both splits, by a link: train/dog/0.png is test/dog/copy.png",
        "1 picture of two classes, by a link: train/cat/0.png is train/dog/z.png",
    )


def test_what_systems_leave_is_no_class_and_a_hidden_class_is_said(root):
    for split in ("train", "test"):
        draw(root / split / "__MACOSX" / "cat" / "._0.png")
        draw(root / split / "@eaDir" / "0.png")
        draw(root / split / ".bird" / "0.png")
    draw(root / "train" / "cat" / "@eaDir" / "0.png")
    count, remarks = cats(root)
    assert count == 3
    assert remarks == tuple(f"left out of {split}/: 1 hidden folder of pictures" for split in ("train", "test"))
