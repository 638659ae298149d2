"""Pictures with objects from a folder, all at once and as they are needed."""

import numpy as np
import pytest

from jaxdl.data.detection import box_folder
from jaxdl.errors import UserError
from tests.data.detection.written import CAT, DOG, coco, picture, refused, voc, xml, yolo


@pytest.fixture
def root(tmp_path):
    root = voc(tmp_path / "cells")
    (root / "classes.txt").write_text("cat\ndog\n")
    return root


def put(root, stem, size, objects, **options):
    (root / f"Annotations/{stem}.xml").write_text(xml(objects, size))
    return picture(root / f"JPEGImages/{stem}.png", size, **options)


def test_pictures_are_those_of_the_files_filled_up_below_and_right(root):
    wide, high = put(root, "a", (30, 80), [CAT], seed=1), put(root, "c", (70, 20), [], seed=2)
    data = box_folder.load(root)
    assert (data.name, data.classes, data.val) == ("cells", ("cat", "dog"), None)
    assert data.train.images.shape == (2, 70, 80, 3)
    for split, row, pixels in ((data.train, 0, wide), (data.test, 0, high)):
        height, width = pixels.shape[:2]
        np.testing.assert_array_equal(split.images[row, :height, :width], pixels)
        assert not split.images[row, height:].any()
        assert not split.images[row, :, width:].any()
        assert split.sizes[row].tolist() == [height, width]
    assert data.train.sizes.dtype == np.int32
    assert data.train.names.tolist() == [b"JPEGImages/a.png", b"JPEGImages/b.png"]
    assert data.train.labels.most == data.test.labels.most == 1
    assert data.test.labels[0]["boxes"].tolist() == [[0, 0, 0, 0]]
    assert data.train.labels[0]["labels"].tolist() == [1]
    assert "filled up to 80x70" in data.source
    assert data.train.take([1]).labels.objects == (data.train.labels.objects[1],)


def test_the_second_start_reads_no_pixel(root, monkeypatch):
    first = box_folder.load(root)
    monkeypatch.setattr(box_folder, "_decoded", None)
    second = box_folder.load(root)
    np.testing.assert_array_equal(first.train.images, second.train.images)
    assert first.fingerprint == second.fingerprint


def test_streamed_pictures_are_the_same(root):
    put(root, "a", (30, 80), [CAT, DOG], seed=1)
    held, streamed = box_folder.load(root), box_folder.load(root, stream=True)
    assert streamed.train.images.shape == held.train.images.shape
    np.testing.assert_array_equal(streamed.train.images[:], held.train.images)
    np.testing.assert_array_equal(streamed.train.images[[1]], held.train.images[[1]])
    assert streamed.source == f"{held.source}, read as they are needed"
    assert box_folder.decoded_bytes(root) == held.train.images.nbytes + held.test.images.nbytes


@pytest.mark.parametrize("stream", [False, True])
def test_the_fingerprint_changes_with_pictures_and_with_objects(root, stream):
    found = {box_folder.load(root, stream=stream).fingerprint}
    changes = (
        lambda: put(root, "a", (40, 60), [CAT]),
        lambda: put(root, "a", (40, 60), [DOG]),
        lambda: put(root, "a", (40, 60), [(*DOG, True)]),
        lambda: put(root, "b", (41, 60), [CAT], seed=5),
        lambda: (root / "classes.txt").write_text("cat\nhound\ndog\n"),
    )
    for count, change in enumerate(changes, 2):
        change()
        found.add(box_folder.load(root, stream=stream).fingerprint)
        assert len(found) == count
    assert box_folder.load(root, stream=stream).fingerprint in found


def test_ids_and_remarks_of_coco_are_kept(tmp_path):
    data = box_folder.load(coco(tmp_path / "coco"))
    assert (data.train.labels.image_ids, data.train.labels.category_ids) == ((1, 2), (1, 7))
    assert data.remarks == ("there is no test split: the test split is annotations/instances_val2017.json",)
    assert data.train.labels.most == 2


def test_masks_are_painted_when_a_batch_needs_them(tmp_path):
    data = box_folder.load(yolo(tmp_path, {"train/a": "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n"}))
    expected = np.zeros((40, 60), np.uint8)
    expected[10:30, 15:45] = 1
    np.testing.assert_array_equal(data.train.labels[0]["masks"][0], expected)
    assert "pictures with masks" in data.source
    assert data.test.labels[:]["masks"].shape == (1, 1, 40, 60)


def test_pictures_that_cannot_be_decoded_are_named(root):
    path = root / "JPEGImages/a.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"JPEGImages/a\.png .* Replace or remove it"):
        box_folder.load(root)
    with pytest.raises(UserError, match=r"JPEGImages/a\.png"):
        box_folder.load(root, stream=True).train.images[0]


def test_more_pixels_than_memory_holds_are_refused(root, monkeypatch):
    monkeypatch.setattr(box_folder, "MOST_BYTES", 10_000)
    with pytest.raises(UserError, match=r"3 pictures of up to 60x40 pixels take 0 GiB, more than 0. .* or stream them"):
        box_folder.load(root)
    assert len(box_folder.load(root, stream=True).train) == 2


def test_a_folder_of_another_layout_is_told_the_three(tmp_path):
    assert "must hold JPEGImages/, Annotations/*.xml and ImageSets/Main/ as PASCAL VOC" in refused(tmp_path)
    assert "is not a folder" in refused(tmp_path / "nowhere")


def test_files_of_a_second_format_are_told_as_not_read(tmp_path):
    root = coco(yolo(tmp_path))
    assert "read as COCO lays it out, not as YOLO" in box_folder.load(root).remarks


@pytest.mark.parametrize("name", ["bccd", "coco"])
def test_real_data_are_read_as_they_are_needed(name, request):
    data = box_folder.load(request.getfixturevalue(name), stream=True)
    assert data.train.images[:2].shape == (2, *data.train.images.shape[1:])
    assert (data.train.labels[:8]["boxes"] <= max(data.train.images.shape[1:3])).all()
    assert len(data.fingerprint) == 64
