"""Datasets as COCO lays them out, against pycocotools' reading of them."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as masks
from pycocotools.coco import COCO

from jaxdl import rle
from jaxdl.data.detection import text_files
from jaxdl.data.detection.listing import listing
from tests.data.detection.written import SQUARE, annotation, coco, content, picture, refused, told

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # by COCO's own decode


def first(root):
    return listing(root).splits["train"][0].objects


def test_coco_objects_are_those_of_the_files_with_corners(tmp_path):
    found = listing(coco(tmp_path))
    assert (found.classes, found.category_ids) == (("cat", "dog"), (1, 7))
    assert not found.masks
    objects = found.splits["train"][0].objects
    assert objects.boxes.tolist() == [[5, 5, 25, 25]] * 2
    assert (objects.classes.tolist(), objects.areas.tolist()) == ([0, 1], [400, 123])
    assert len(found.splits["train"][1].objects) == 0
    assert [each.image_id for each in found.splits["train"]] == [1, 2]
    assert found.remarks == ["there is no test split: the test split is annotations/instances_val2017.json"]


def test_masks_of_all_three_kinds_in_one_file_are_compressed(tmp_path):
    mask = np.zeros((40, 60), bool)
    mask[5:25, 5:25] = True
    code = rle.encode(mask)
    counts = [5 * 40 + 5, *[20, 20] * 19, 20, 40 * 35 + 15]
    kinds = [SQUARE, {"size": [40, 60], "counts": counts}, {"size": [40, 60], "counts": code["counts"].decode()}]
    annotations = [annotation(number, segmentation=kind) for number, kind in enumerate(kinds)]
    objects = first(coco(tmp_path, content(annotations=annotations)))
    assert len(objects.masks) == 3
    for each in objects.masks:
        np.testing.assert_array_equal(rle.decode(each), mask)
        np.testing.assert_array_equal(masks.decode(each), mask)
    assert objects.areas.tolist() == [400] * 3


def test_an_object_without_a_box_or_a_mask_has_that_of_the_other(tmp_path):
    annotations = [annotation(1, segmentation=SQUARE), annotation(2, box=(1, 2, 3, 4), segmentation=[])]
    del annotations[0]["bbox"]
    root = coco(tmp_path, content(annotations=annotations))
    objects = first(root)
    assert objects.boxes.tolist() == [[5, 5, 25, 25], [1, 2, 4, 6]]
    assert [rle.area(each) for each in objects.masks] == [400, 12]
    assert told(root)[0].endswith("object without one: annotations/instances_train2017.json annotations[1]")
    assert listing(root).splits["test"][0].objects.masks is not None


def test_a_crowd_is_told(tmp_path):
    objects = first(coco(tmp_path, content(annotations=[annotation(1, iscrowd=1), annotation(2)])))
    assert objects.crowd.tolist() == [True, False]


def test_text_and_numbers_are_the_same_ids(tmp_path):
    train = content()
    train["images"][0]["id"] = "1"
    train["annotations"] = [annotation(1, 1, "7"), annotation(2, "1", 7.0), annotation(3, "1", "1")]
    train["categories"][0]["id"] = "7"
    found = listing(coco(tmp_path, train))
    assert found.splits["train"][0].objects.classes.tolist() == [1, 1, 0]
    assert [each.image_id for each in found.splits["train"]] == ["1", 2]
    assert found.category_ids == (1, 7)


@pytest.mark.parametrize("places", ["images/{}", "{}", "images/{}2017", "images", "."])
def test_pictures_are_found_where_they_are_kept(tmp_path, places):
    root = coco(tmp_path)
    for split, letters in (("train", "ab"), ("val", "a")):
        for letter in letters:
            where = root / places.format(split)
            where.mkdir(parents=True, exist_ok=True)
            (root / f"{split}2017/{letter}.png").rename(where / f"{letter}.png")
    for split in ("train", "val"):
        (root / f"annotations/instances_{split}2017.json").rename(root / f"annotations/instances_{split}2014.json")
        (root / f"annotations/instances_{split}2014.json").rename(root / f"annotations/{split}2017.json")
    assert listing(root).splits["train"][0].picture == root / places.format("train") / "a.png"


def test_the_layout_of_roboflow_is_read_without_its_double_category(tmp_path):
    train = content(categories=[{"id": 0, "name": "cat"}, {"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}])
    for split in ("train", "valid", "test"):
        for letter in "ab":
            picture(tmp_path / split / f"{letter}.png")
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(train))
    found = listing(tmp_path)
    assert set(found.splits) == {"train", "test", "val"}
    assert (found.classes, found.category_ids) == (("cat", "dog"), (1, 7))
    assert found.splits["val"][0].picture == tmp_path / "valid/a.png"


BOXES = {
    (5, 5, 0, 9): "without area", (70, 5, 9, 9): "outside of", (5, 5, -3, 9): "corners swapped",
    (float("nan"), 5, 1, 9): "of infinite or no numbers", (5, 5, float("inf"), 9): "of infinite or no numbers",
    (10**400, 5, 9, 9): "of infinite or no numbers", ("5", 5, 9, 9): "not four numbers",
    (True, 5, 9, 9): "not four numbers", (5, 5, 9): "not four numbers", (None,) * 4: "not four numbers",
    (-5, -5, 10, 10): "at the edge of", (1e308, 0, 1e308, 5): "of infinite or no numbers",
}  # fmt: skip


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_a_box_with_a_fault_is_told_with_its_index(tmp_path, box):
    root = coco(tmp_path, content(annotations=[annotation(1), annotation(2, box=box)]))
    (remark,) = told(root)
    assert BOXES[box] in remark
    assert remark.endswith(": annotations/instances_train2017.json annotations[1]")
    assert first(root).boxes.tolist()[1:] == ([[0, 0, 5, 5]] if "edge" in remark else [])


SEGMENTATIONS = [
    [[1, 2, 3]], [[1, 2]], ["abc"], [[1, 2, 3, 4, 5, "6"]], [[1, 2, 3, 4, 5, float("nan")]], 7, "abc",
    [1, 2, 3, 4, 5, 6],
    {"size": [40, 60], "counts": [5]}, {"size": [4, 6], "counts": [24]}, {"size": [40, 60], "counts": "zz"},
    {"counts": [2400]}, {"size": [40, 60]}, {"size": [2**40, 2**40], "counts": [2**80]}, [[1e9] * 6],
]  # fmt: skip


@pytest.mark.parametrize("segmentation", SEGMENTATIONS, ids=lambda each: str(each)[:40])
def test_an_object_whose_mask_cannot_be_read_is_left_out(tmp_path, segmentation):
    annotations = [annotation(1, segmentation=SQUARE), annotation(2, segmentation=segmentation)]
    root = coco(tmp_path, content(annotations=annotations))
    (remark,) = told(root)
    assert (
        "left out 1 object whose mask cannot be read: annotations/instances_train2017.json annotations[1] (" in remark
    )
    assert len(remark) < 300
    assert len(first(root)) == len(first(root).masks) == 1


def test_annotations_of_no_picture_are_left_out(tmp_path):
    root = coco(tmp_path, content(annotations=[annotation(1), annotation(2, 99), annotation(3, None), 7]))
    assert told(root) == [
        "left out 2 annotations of no picture: annotations/instances_train2017.json annotations[1], "
        "annotations/instances_train2017.json annotations[2]",
        "left out 1 annotation that is no object: annotations/instances_train2017.json annotations[3]",
    ]


def images(**more):
    return content(images=[content(1)["images"][0], {"id": 2, "file_name": "b.png"} | more])


FAULTS = {
    "unknown category": (content(annotations=[annotation(1, 1, 99)]), "99, which is none of the categories (1, 7)"),
    "doubled id": (images(id="1"), "images[1] has the id 1 of another picture"),
    "doubled name": (images(file_name="./a.png"), "images[1] has the file_name a.png of another picture"),
    "outside": (images(file_name="../train2017/b.png"), "which is outside of the dataset"),
    "absolute": (images(file_name="/etc/passwd"), "which is outside of the dataset"),
    "not there": (images(file_name="z.png"), "lists 1 picture that "),
    "no text": (images(file_name="a\0.png"), "does not have: a\\x00.png"),
    "surrogate": (images(file_name="\ud800.png"), "does not have: \\ud800.png"),
    "long": (images(file_name="a" * 10_000), "does not have: aaa"),
    "many not there": (content(8), "lists 6 pictures that"),
    "no name": (images(file_name=3), "images[1] must have an id and a file_name"),
    "truth for an id": (images(id=True), "images[1] must have an id and a file_name"),
    "negative size": (images(height=-4, width=60), "images[1] has the height and width -4 and 60"),
    "truth for a size": (images(height=True, width=60), "images[1] has the height and width True and 60"),
    "huge size": (images(height=10**400, width=60), "images[1] has the height and width 1000"),
    "another size": (images(height=60, width=40), "perhaps turned by its EXIF tag, by annotations/instances_train2017"),
    "no pictures": (content(images=[]), "lists no pictures"),
    "no list": (content(images={}), "has no list of images"),
    "a list": ([1], "has no list of images, annotations, categories"),
    "no category": (content(categories=[]), "names no class"),
    "category without id": (content(categories=[{"name": "cat"}]), "categories[0] must have an id and a name"),
    "doubled category": (content(categories=[{"id": 1, "name": "a"}] * 2), "categories[1] has the id 1 of another"),
    "doubled class": (content(categories=[{"id": 1, "name": "a"}, {"id": 7, "name": "a"}]), "names a twice"),
    "no objects": (content(annotations=[]), "have no objects"),
    "infinite ids": (content(images=[{"id": float("nan"), "file_name": "a.png"}]), "must have an id"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_coco_costs_a_line(tmp_path, fault):
    train, said = FAULTS[fault]
    assert said in refused(coco(tmp_path, train))


def test_five_of_the_pictures_that_are_not_there_are_named(tmp_path):
    assert refused(coco(tmp_path, content(8))).endswith(": c.png, d.png, e.png, f.png, g.png and 1 more.")


@pytest.mark.parametrize("raw", ["", "{", "[" * 100_000, '{"images": [1' + "1" * 5000 + "]}", "null"])
def test_no_json_costs_a_line(tmp_path, raw):
    assert "instances_train2017.json" in refused(coco(tmp_path, raw=raw))


def test_a_file_that_is_too_large_or_no_text_costs_a_line(tmp_path, monkeypatch):
    root = coco(tmp_path)
    path = root / "annotations/instances_train2017.json"
    path.write_bytes(b'{"images": "\xff"}')
    assert "is not UTF-8 at byte 12" in refused(root)
    monkeypatch.setattr(text_files, "MOST_JSON", 10)
    assert "more than the 10 allowed" in refused(root)


def test_categories_must_be_the_same_in_all_splits(tmp_path):
    other = content(1, [annotation(1)], categories=[{"id": 1, "name": "dog"}])
    assert "the category 1 is cat in annotations/instances_train2017.json and dog in" in refused(
        coco(tmp_path, None, other)
    )
    other = content(1, [annotation(1, 1, 3)], categories=[{"id": 3, "name": "dogg"}])
    assert "annotations[0]: unknown class 'dogg'. Did you mean dog?" in refused(coco(tmp_path, None, other))
    other = content(1, categories=[{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}, {"id": 9, "name": "ox"}])
    assert listing(coco(tmp_path, None, other)).classes == ("cat", "dog")


def test_two_years_of_a_split_are_not_guessed_between(tmp_path):
    root = coco(tmp_path)
    (root / "annotations/instances_train2014.json").write_text("{}")
    assert "are both of the split train. Remove one." in refused(root)


def test_links_are_followed(tmp_path):
    root = coco(tmp_path / "one")
    (tmp_path / "two").mkdir()
    for name in ("annotations", "train2017", "val2017"):
        (tmp_path / "two" / name).symlink_to(root / name)
    assert len(listing(tmp_path / "two").splits["train"]) == 2


def test_the_same_is_read_of_coco_as_by_its_own_tools(coco):
    found = listing(coco)
    assert (len(found.classes), found.category_ids[-1]) == (80, 90)
    for split, name in (("train", "train"), ("test", "val")):
        with contextlib.redirect_stdout(io.StringIO()):
            theirs = COCO(coco / f"annotations/instances_{name}2017.json")
        assert len(found.splits[split]) == 100
        for each in found.splits[split]:
            annotations = theirs.loadAnns(theirs.getAnnIds(imgIds=[each.image_id]))
            boxes = np.array([told_of["bbox"] for told_of in annotations], np.float32).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            np.testing.assert_array_equal(each.objects.boxes, boxes)
            ids = [found.category_ids[label] for label in each.objects.classes]
            assert ids == [told_of["category_id"] for told_of in annotations]
            assert each.objects.areas.tolist() == [told_of["area"] for told_of in annotations]
            assert each.objects.crowd.tolist() == [told_of["iscrowd"] for told_of in annotations]
            assert list(each.objects.masks) == [
                told_of["segmentation"] | {"counts": told_of["segmentation"]["counts"].encode()}
                for told_of in annotations
            ]
            for code, told_of in list(zip(each.objects.masks, annotations, strict=True))[:1]:
                np.testing.assert_array_equal(rle.decode(code), theirs.annToMask(told_of))
