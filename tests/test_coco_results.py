import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from jaxdl import coco_results
from jaxdl.errors import UserError
from jaxdl.objects import Detections, Objects

IMAGE_IDS, CATEGORY_IDS, SIZES = (7, 139, 2006), (1, 3, 90), ((120, 160), (90, 70), (64, 64))
CLASSES, NAMES = ("person", "car", "toothbrush"), ("a.jpg", "ä.jpg", "c.png")


def changed(each, **fields):
    """Objects or detections with other fields."""
    return type(each)(**{**{name: getattr(each, name) for name in type(each).__annotations__}, **fields})


def box_mask(size, box):
    mask = np.zeros(size, np.uint8)
    x1, y1, x2, y2 = box.astype(int)
    mask[y1:y2, x1:x2] = 1
    return coco_masks.encode(np.asfortranarray(mask))


@pytest.fixture
def pictures(rng):
    """(truth, found) of three pictures, none in the second, with corners that no short decimal is equal to."""
    truth, found = [], []
    for count, size in zip((3, 0, 2), SIZES, strict=True):
        corners = rng.uniform(0, 30, (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(1, 30, (count, 2))], 1).astype(np.float32)
        masks = tuple(box_mask(size, box) for box in boxes)
        classes = rng.integers(0, 3, count).astype(np.int32)
        flags = np.arange(count)
        areas = rng.uniform(1, 900, count).astype(np.float32)
        truth.append(Objects(boxes, classes, flags == 1, flags == 2, areas, masks))
        scores = np.sort(rng.random(count).astype(np.float32))[::-1]
        found.append(Detections(boxes + np.float32(0.1), classes, scores, masks))
    return truth, found


def read(tmp_path, truth, found, **how):
    """The files as pycocotools reads them."""
    written = coco_results.truth_to_json(
        truth, image_ids=IMAGE_IDS, category_ids=CATEGORY_IDS, classes=CLASSES, sizes=SIZES, names=NAMES
    )
    (tmp_path / "truth.json").write_text(json.dumps(written))
    results = coco_results.to_json(found, image_ids=IMAGE_IDS, category_ids=CATEGORY_IDS, **how)
    (tmp_path / "found.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(tmp_path / "truth.json")
        return coco, coco.loadRes(str(tmp_path / "found.json"))


def boxes_of(annotations):
    x, y, width, height = np.array([each["bbox"] for each in annotations]).reshape(-1, 4).T
    return np.stack([x, y, x + width, y + height], 1)


def of_picture(coco, number):
    return coco.loadAnns(coco.getAnnIds(imgIds=[number]))


def test_files_are_read_by_pycocotools_with_the_same_numbers(tmp_path, pictures):
    coco, results = read(tmp_path, *pictures)
    for number, objects, detections in zip(IMAGE_IDS, *pictures, strict=True):
        there, seen = of_picture(coco, number), of_picture(results, number)
        np.testing.assert_array_equal(boxes_of(there), objects.boxes)  # in double precision
        np.testing.assert_array_equal(boxes_of(seen), detections.boxes)
        np.testing.assert_array_equal([each["score"] for each in seen], detections.scores)
        np.testing.assert_array_equal([each["area"] for each in there], objects.areas)
        assert [each["iscrowd"] for each in there] == objects.crowd.tolist()
        assert [each["ignore"] for each in there] == objects.difficult.tolist()
        for annotations, own in ((there, objects), (seen, detections)):
            assert [each["category_id"] for each in annotations] == [CATEGORY_IDS[number] for number in own.classes]
            for each, mask in zip(annotations, own.masks, strict=True):
                assert each["segmentation"] == {"size": mask["size"], "counts": mask["counts"].decode()}
    assert min(coco.anns) == 1  # pycocotools takes the number 0 for no match
    assert len(coco.anns) == len(results.anns) == 5


def test_pictures_and_classes_are_named(tmp_path, pictures):
    coco, _ = read(tmp_path, *pictures)
    assert {number: each["name"] for number, each in coco.cats.items()} == dict(zip(CATEGORY_IDS, CLASSES, strict=True))
    said = [(each["id"], each["file_name"], (each["height"], each["width"])) for each in coco.imgs.values()]
    assert said == list(zip(IMAGE_IDS, NAMES, SIZES, strict=True))


def test_results_of_masks_alone_have_the_areas_of_masks(tmp_path, pictures):
    _, results = read(tmp_path, *pictures, of="masks")
    masks = [mask for each in pictures[1] for mask in each.masks]
    assert [each["area"] for each in results.anns.values()] == [coco_masks.area(mask) for mask in masks]


def test_results_of_boxes_alone_have_no_masks(pictures):
    entries = coco_results.to_json(pictures[1], image_ids=IMAGE_IDS, category_ids=CATEGORY_IDS, of="boxes")
    assert {*entries[0]} == {"image_id", "category_id", "score", "bbox"}
    bare = [changed(each, masks=None) for each in pictures[1]]
    assert coco_results.to_json(bare, image_ids=IMAGE_IDS, category_ids=CATEGORY_IDS) == entries


def test_masks_as_text_are_written_as_they_are(pictures):
    texts = [
        changed(each, masks=tuple({**mask, "counts": mask["counts"].decode()} for mask in each.masks))
        for each in pictures[1]
    ]
    entries = [
        coco_results.to_json(each, image_ids=IMAGE_IDS, category_ids=CATEGORY_IDS) for each in (texts, pictures[1])
    ]
    assert entries[0] == entries[1]


def test_nothing_is_written_as_nothing():
    assert coco_results.to_json([], image_ids=(), category_ids=CATEGORY_IDS) == []
    written = coco_results.truth_to_json([], image_ids=(), category_ids=(), classes=(), sizes=(), names=())
    assert written == {"images": [], "categories": [], "annotations": []}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_ids": IMAGE_IDS[:2]}, r"image_ids must number 3 pictures of found, got 2"),
        ({"category_ids": CATEGORY_IDS[:2]}, r"category_ids must number every class, got 2, and in picture 0 of found"),
        ({"of": "segm"}, r"of must be boxes, masks or None, got 'segm'"),
    ],
)
def test_mistakes_in_results_are_user_errors(pictures, change, said):
    with pytest.raises(UserError, match=said):
        coco_results.to_json(pictures[1], **{"image_ids": IMAGE_IDS, "category_ids": CATEGORY_IDS, **change})


def test_missing_masks_are_a_user_error(pictures):
    bare = [changed(each, masks=None) for each in pictures[1]]
    with pytest.raises(UserError, match="found must have masks where of is masks, picture 0 has none"):
        coco_results.to_json(bare, image_ids=IMAGE_IDS, category_ids=CATEGORY_IDS, of="masks")


@pytest.mark.parametrize("short", ["image_ids", "classes", "sizes", "names"])
def test_mistakes_in_annotations_are_user_errors(pictures, short):
    how = {
        "image_ids": IMAGE_IDS,
        "category_ids": CATEGORY_IDS,
        "classes": CLASSES,
        "sizes": SIZES,
        "names": NAMES,
    }
    with pytest.raises(UserError, match=rf"{short} must .*, got 2"):
        coco_results.truth_to_json(pictures[0], **{**how, short: how[short][:2]})
