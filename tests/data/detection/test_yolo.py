"""Datasets as YOLO lays them out."""

import numpy as np
import pytest
from PIL import Image

from jaxdl import rle
from jaxdl.data.detection.listing import listing
from tests.data.detection.written import picture, refused, told, yolo


def put(root, text, place="train/a"):
    (root / f"labels/{place}.txt").write_text(text)


def test_yolo_boxes_are_brought_to_pixels_of_their_picture(tmp_path):
    found = listing(yolo(tmp_path))
    assert (found.classes, found.category_ids, found.masks) == (("cat", "dog"), (1, 2), False)
    objects = found.splits["train"][0].objects
    np.testing.assert_allclose(objects.boxes, [(15, 15, 45, 25), (12, 8, 18, 12)], rtol=1e-6)
    np.testing.assert_allclose(objects.areas, [300, 24], rtol=1e-6)
    assert objects.classes.tolist() == [0, 1]
    assert found.splits["test"][0].objects.boxes.tolist() == [[0, 0, 60, 40]]
    assert told(tmp_path) == []


def test_a_picture_without_labels_or_with_an_empty_file_has_no_objects(tmp_path):
    root = yolo(tmp_path)
    picture(root / "images/train/c.png")
    put(root, " \n\n", "train/c")
    assert [len(each.objects) for each in listing(root).splits["train"]] == [2, 0, 0]


def test_outlines_are_masks_and_boxes_beside_them_are_their_own(tmp_path):
    root = yolo(tmp_path, {"train/a": "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n0 0.5 0.5 0.5 0.5\n"})
    found = listing(root)
    assert found.masks
    objects = found.splits["train"][0].objects
    assert objects.boxes.tolist() == [[15, 10, 45, 30]] * 2
    assert objects.masks[0] == objects.masks[1] == rle.from_polygons(
        [[15, 10, 45, 10, 45, 30, 15, 30]], height=40, width=60
    )  # fmt: skip
    assert told(root) == ["took the box for the mask of 1 object without one: labels/train/a.txt line 2"]
    assert found.splits["test"][0].objects.masks == ()


def test_folders_of_splits_and_of_years_are_read(tmp_path):
    root = yolo(tmp_path / "one")
    for split, name in (("train", "train"), ("test", "valid")):
        (tmp_path / "two" / name).mkdir(parents=True)
        for part in ("images", "labels"):
            (root / part / split).rename(tmp_path / "two" / name / part)
    (root / "data.yaml").rename(tmp_path / "two/data.yaml")
    found = listing(tmp_path / "two")
    assert found.remarks == ["there is no test split: the test split is valid/images"]
    root = yolo(tmp_path / "three")
    for part in ("images", "labels"):
        (root / part / "train").rename(root / part / "train2017")
    assert len(listing(root).splits["train"]) == 2


def test_labels_below_folders_and_behind_links_are_found(tmp_path):
    root = yolo(tmp_path / "one")
    picture(root / "images/train/deep/d.v2.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/d.v2.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (root / "labels/train/deep").symlink_to(tmp_path / "elsewhere")
    assert [len(each.objects) for each in listing(root).splits["train"]] == [2, 0, 1]


def test_a_picture_turned_by_its_exif_tag_has_boxes_of_what_is_seen(tmp_path):
    root = yolo(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(root / "images/test/c.png", exif=exif)
    (each,) = listing(root).splits["test"]
    assert (each.size, each.objects.boxes.tolist()) == ((60, 40), [[0, 0, 40, 60]])


LINES = {
    "0 0.5 0.5 0 0.5": "without area", "0 2.5 0.5 0.5 0.5": "outside of", "0 0.5 0.5 -0.1 0.5": "corners swapped",
    "0 nan 0.5 0.5 0.5": "of infinite or no numbers", "0 1e400 0.5 0.5 0.5": "of infinite or no numbers",
    "0 0.1 0.1 0.5 0.1 nan 0.5": "of infinite or no numbers", "0 0.5 0.5 0.5": "neither a box nor an outline",
    "0 0.5 0.5 0.5 0.5 0.9": "neither a box nor an outline", "cat 0.5 0.5 0.5 0.5": "neither a box nor an outline",
    "0.5 0.5 0.5 0.5 0.5": "neither a box nor an outline", "0 a 0.5 0.5 0.5": "neither a box nor an outline",
    "0 0 0 0.5 0.5": "at the edge of", "0 0.1 0.1 1e9 0.1 0.5 0.5": "whose mask cannot be read", "0": "neither a box",
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_with_a_fault_is_told_with_its_number(tmp_path, line):
    root = yolo(tmp_path)
    put(root, f"0 0.5 0.5 0.5 0.5\n\n{line}\n")
    (remark,) = [each for each in told(root) if "took the box" not in each]
    assert LINES[line] in remark
    assert ": labels/train/a.txt line 3" in remark


def test_labels_without_a_picture_are_left_out(tmp_path):
    root = yolo(tmp_path)
    put(root, "0 0.5 0.5 0.5 0.5\n", "train/z")
    put(root, "cat\ndog\n", "train/classes")
    assert told(root) == ["left out 1 file of labels without a picture: labels/train/z.txt"]


def test_rounding_at_the_edge_is_not_told(tmp_path):
    root = yolo(tmp_path)
    put(root, "0 0.500001 0.5 1.000001 1\n")
    assert told(root) == []
    assert listing(root).splits["train"][0].objects.boxes.max() == 60


FAULTS = {
    "class beyond": (lambda root: put(root, "2 .5 .5 .5 .5"), "line 1 has the class 2;"),
    "class before": (lambda root: put(root, "-1 .5 .5 .5 .5"), "line 1 has the class -1;"),
    "no text": (lambda root: (root / "labels/train/a.txt").write_bytes(b"0 \xff"), "is not UTF-8 at byte 2"),
    "link to nothing": (lambda root: (root / "labels/train/b.txt").symlink_to("nowhere"), "cannot read"),
    "a folder": (lambda root: (root / "labels/train/b.txt").mkdir(), "is not a file"),
    "two pictures": (lambda root: picture(root / "images/train/a.jpg"), "have one name"),
    "no names": (lambda root: (root / "data.yaml").unlink(), "has no file with the classes' names"),
    "no pictures": (lambda root: (root / "images/test/c.png").unlink(), "holds no pictures"),
    "no test": (lambda root: (root / "images/test").rename(root / "images/other"), "has no split test (or val)"),
    "two train": (lambda root: [(root / f"{part}/train2017").mkdir() for part in ("images", "labels")], "are both of"),
    "no objects": (lambda root: put(root, ""), "have no objects"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_yolo_costs_a_line(tmp_path, fault):
    root = yolo(tmp_path)
    break_it, said = FAULTS[fault]
    break_it(root)
    assert said in refused(root)
