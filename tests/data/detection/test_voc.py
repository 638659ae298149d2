"""Datasets as PASCAL VOC lays them out."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from jaxdl.data.detection.listing import listing
from tests.data.detection import written
from tests.data.detection.written import CAT, DOG, picture, refused, told, voc


def put(root, text, stem="a"):
    (root / f"Annotations/{stem}.xml").write_text(text)


def test_voc_objects_are_those_of_the_files_as_they_are_written(tmp_path):
    found = listing(voc(tmp_path))
    assert (found.classes, found.named_by, found.category_ids) == (found.classes, "PASCAL VOC", tuple(range(1, 21)))
    assert found.classes[7] == "cat"
    assert not found.masks
    first, second = found.splits["train"]
    assert (first.picture, first.size, first.image_id, second.image_id) == (
        tmp_path / "JPEGImages/a.png", (40, 60), 1, 2,
    )  # fmt: skip
    np.testing.assert_array_equal(first.objects.boxes, [CAT[1], DOG[1]])
    assert first.objects.boxes.dtype == np.float32
    assert first.objects.classes.tolist() == [7, 11]
    assert first.objects.areas.tolist() == [20 * 30, 39.5 * 37]
    assert first.objects.masks is None
    assert len(found.splits["test"]) == 1


def test_a_difficult_object_is_kept_as_such(tmp_path):
    put(voc(tmp_path), written.xml([(*CAT, 1), DOG]))
    assert listing(tmp_path).splits["train"][0].objects.difficult.tolist() == [True, False]


def test_voc_classes_are_those_of_train_or_of_a_file(tmp_path):
    root = voc(tmp_path, {"train": {"a": [("wbc", CAT[1]), ("cat", CAT[1])]}, "test": {"b": [CAT]}})
    assert (listing(root).classes, listing(root).named_by) == (("cat", "wbc"), "the annotations of train")
    (root / "classes.txt").write_text("wbc\ncat\nrbc\n\n")
    found = listing(root)
    assert (found.classes, found.category_ids) == (("wbc", "cat", "rbc"), (1, 2, 3))
    assert found.splits["train"][0].objects.classes.tolist() == [0, 1]
    assert "train has no object of 1 class: rbc" in found.remarks


def test_an_unknown_class_is_named_with_the_nearest(tmp_path):
    root = voc(tmp_path)
    put(root, written.xml([CAT, ("dogg", DOG[1])]), "c")
    (root / "classes.txt").write_text("cat\ndog\n")
    assert refused(root) == "Annotations/c.xml object 2: unknown class 'dogg'. Did you mean dog? Known: cat, dog."


def test_val_validates_beside_test_and_is_tested_on_without_it(tmp_path):
    root = voc(tmp_path, {"train": {"a": [CAT]}, "val": {"b": [CAT]}, "test": {"c": [DOG]}, "trainval": {"a": [CAT]}})
    assert [each.picture.stem for each in listing(root).splits["val"]] == ["b"]
    (root / "ImageSets/Main/test.txt").unlink()
    found = listing(root)
    assert set(found.splits) == {"train", "test"}
    assert "there is no test split: the test split is ImageSets/Main/val.txt" in found.remarks


def test_trainval_is_trained_on_where_there_is_no_train(tmp_path):
    root = voc(tmp_path, {"trainval": {"a": [CAT]}, "val": {"a": [CAT]}, "test": {"c": [DOG]}})
    found = listing(root)
    assert set(found.splits) == {"train", "test"}
    assert "there is no ImageSets/Main/train.txt: the train split is ImageSets/Main/trainval.txt" in found.remarks


def test_boxes_with_a_fault_are_left_out_and_told(tmp_path):
    boxes = {
        "without area": (5, 5, 5, 9), "outside of": (70, 5, 90, 9), "corners swapped": (9, 5, 5, 9),
        "of infinite or no numbers": ("nan", 5, 1, 9), "not four numbers": ("five", 5, 9, 9),
    }  # fmt: skip
    root = voc(tmp_path)
    put(root, written.xml([CAT, *(("dog", box) for box in boxes.values()), ("cat", (50, 30, 70, 50))]))
    found = listing(root)
    np.testing.assert_array_equal(found.splits["train"][0].objects.boxes, [CAT[1], (50, 30, 60, 40)])
    remarks = told(root)
    assert len(remarks) == 6
    for number, what in enumerate(boxes, 2):
        assert any(what in remark and f": Annotations/a.xml object {number}" in remark for remark in remarks)
    assert "clipped 1 box at the edge of its picture: Annotations/a.xml object 7" in remarks


def test_the_first_faults_of_a_kind_are_named_and_the_rest_counted(tmp_path):
    root = voc(tmp_path)
    put(root, written.xml([CAT, *[("dog", (5, 5, 5, 9))] * 1200]))
    assert told(root) == [
        "left out 1,200 boxes without area: Annotations/a.xml object 2, Annotations/a.xml object 3, "
        "Annotations/a.xml object 4 and 1,197 more"
    ]


@pytest.mark.parametrize(
    ("inner", "remark"),
    [
        ("<object><name>cat</name></object>", "left out 1 box that is not four numbers: Annotations/a.xml object 1"),
        ("<object><bndbox/></object>", "left out 1 annotation that is no object: Annotations/a.xml object 1"),
        ("<size><width>0</width><height>0</height></size>", None),
        ("", None),
    ],
)
def test_a_picture_without_objects_stays(tmp_path, inner, remark):
    root = voc(tmp_path)
    put(root, f"<annotation>{inner}</annotation>")
    assert len(listing(root).splits["train"][0].objects) == 0
    assert told(root) == ([remark] if remark else [])


def trained(root, text):
    (root / "ImageSets/Main/train.txt").write_text(text)


def turned(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(root / "JPEGImages/a.png", exif=exif)


FAULTS = {
    "another size": (lambda root: picture(root / "JPEGImages/a.png", (40, 61)), "61x40 pixels as it is seen, by"),
    "turned": (turned, "is 40x60 pixels as it is seen, perhaps turned by its EXIF tag, by Annotations/a.xml 60x40."),
    "no picture": (lambda root: (root / "JPEGImages/b.png").unlink(), "JPEGImages has no file of: b."),
    "no annotations": (lambda root: (root / "Annotations/b.xml").unlink(), "Annotations has no file of: b."),
    "named twice": (lambda root: trained(root, "a\na\n"), "names a twice"),
    "named none": (lambda root: trained(root, "\n"), "names no picture"),
    "outside": (lambda root: trained(root, "../a\n"), "outside of the dataset"),
    "absolute": (lambda root: trained(root, "/etc/a\n"), "outside of the dataset"),
    "not UTF-8": (lambda root: (root / "Annotations/a.xml").write_bytes(b"<a>\xff</a>"), "is not UTF-8 at byte 3"),
    "no XML": (lambda root: put(root, "<annotation>\n<object>"), "no XML that can be read: no element found: line 2"),
    "of words": (lambda root: put(root, "<a><size><width>x</width></size></a>"), "tells the height 0 and the width x"),
    "entities": (
        lambda root: put(root, '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'), "declares a document",
    ),
    "document type": (lambda root: put(root, "<!DOCTYPE a><a/>"), "declares a document type"),
    "large": (lambda root: put(root, " " * 10_000_001), "has 10,000,001 bytes, more than the 10,000,000 allowed"),
    "damaged picture": (lambda root: (root / "JPEGImages/a.png").write_bytes(b"PNG"), "is not one that can be"),
    "two pictures": (lambda root: picture(root / "JPEGImages/a.jpg"), "have one name"),
    "no train": (lambda root: (root / "ImageSets/Main/train.txt").unlink(), "has no split train"),
    "no test": (lambda root: (root / "ImageSets/Main/test.txt").unlink(), "has no split test (or val)"),
    "no objects": (lambda root: [put(root, "<annotation/>", stem) for stem in "ab"], "have no objects"),
    "classes": (lambda root: (root / "classes.txt").write_text("cat\n\ndog\n"), "the name 2 in"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_voc_costs_a_line(tmp_path, fault):
    root = voc(tmp_path)
    break_it, said = FAULTS[fault]
    break_it(root)
    assert said in refused(root)


def test_deep_xml_is_read_or_refused(tmp_path):
    root = voc(tmp_path)
    put(root, "<a>" * 200_000 + "</a>" * 200_000)
    assert len(listing(root).splits["train"][0].objects) == 0


def test_pictures_of_train_in_test_are_told(tmp_path):
    root = voc(tmp_path)
    (root / "ImageSets/Main/test.txt").write_text("b\nc\n")
    assert "train and test share 1 picture: b.png" in listing(root).remarks


def test_bccd_is_read_as_its_files_have_it(bccd):
    found = listing(bccd)
    assert found.classes == ("Platelets", "RBC", "WBC")
    assert {split: len(each) for split, each in found.splits.items()} == {"train": 205, "test": 72, "val": 87}
    assert [remark for remark in found.remarks if "without area" in remark] == [
        "left out 2 boxes without area: Annotations/BloodImage_00343.xml object 4, "
        "Annotations/BloodImage_00338.xml object 13"
    ]
    count = 0
    for each in (each for split in found.splits.values() for each in split):
        objects = ElementTree.parse(bccd / "Annotations" / f"{each.picture.stem}.xml").getroot().findall("object")
        boxes = [[float(element.find("bndbox").findtext(side)) for side in written.VOC_SIDES] for element in objects]
        names = [element.findtext("name") for element in objects]
        kept = [row for row, (left, _, right, _) in enumerate(boxes) if left < right]
        np.testing.assert_array_equal(each.objects.boxes, np.array(boxes)[kept])
        assert [found.classes[label] for label in each.objects.classes] == [names[row] for row in kept]
        count += len(objects)
    assert count == 4888
