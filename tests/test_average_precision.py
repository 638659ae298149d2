import contextlib
import io
import json
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from jaxdl import average_precision, coco_results
from jaxdl.errors import UserError
from jaxdl.objects import Detections, Objects

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco.tar.xz"
REAL_TRUTH = "coco/annotations/instances_val2017.json"
SIZE = (200, 240)
NO_OBJECTS = Objects(
    np.zeros((0, 4), np.float32), np.zeros(0, np.int32), *np.zeros((2, 0), bool), np.zeros(0, np.float32)
)
NO_DETECTIONS = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32))


def changed(each, **fields):
    """Objects or detections with other fields."""
    return type(each)(**{**{name: getattr(each, name) for name in type(each).__annotations__}, **fields})


def ellipse(box, size=SIZE):
    """The mask of an ellipse that touches the sides of the box."""
    x1, y1, x2, y2 = box
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    inside = ((columns - (x1 + x2) / 2) / (x2 - x1)) ** 2 + ((rows - (y1 + y2) / 2) / (y2 - y1)) ** 2 <= 0.25
    return coco_masks.encode(np.asfortranarray(inside.astype(np.uint8)))


def random_boxes(rng, count):
    corners = rng.uniform(0, (SIZE[1] / 2, SIZE[0] / 2), (count, 2))
    opposite = np.minimum(
        corners + rng.choice([15, 50, 140], (count, 1)) * rng.uniform(0.5, 1.2, (count, 2)), SIZE[::-1]
    )
    return np.concatenate([corners, opposite], 1).astype(np.float32)


def moved(rng, boxes, by=0.05):
    """Boxes with corners moved by about a share ``by`` of their sides, some by nothing, some by more."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    steps = rng.normal(0, by, boxes.shape) * rng.choice([0, 0.3, 1, 2], (len(boxes), 1))
    return (boxes + steps * sides).astype(np.float32)


def detected(rng, objects, classes, invented=4):
    """Detections of most objects, some twice, badly or as another class, and of nothing; many have the same score."""
    seen = np.flatnonzero(rng.random(len(objects)) < 0.8)
    seen = np.concatenate([seen, seen[rng.random(len(seen)) < 0.3]])
    boxes = np.concatenate([moved(rng, objects.boxes[seen]), random_boxes(rng, invented)])
    others = rng.integers(0, classes, len(boxes)).astype(np.int32)
    labels = np.concatenate([objects.classes[seen], others[len(seen) :]])
    labels = np.where(rng.random(len(boxes)) < 0.15, others, labels)
    expected = np.where(np.arange(len(boxes)) < len(seen), 0.6, 0.4)
    scores = np.round(rng.normal(expected, 0.25).clip(0, 1), 1).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], labels[order], scores[order])


def scenes(seed, *, classes, pictures=12, masks=False):
    """(truth, found) of pictures with crowds, difficult objects and areas of all sizes; some without one or both."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for row in range(pictures):
        count = 0 if row % 5 == 3 else rng.integers(1, 9)
        boxes = random_boxes(rng, count)
        areas = ((boxes[:, 2:] - boxes[:, :2]).prod(1) * rng.uniform(0.4, 1, count)).astype(np.float32)
        flags = rng.random((2, count)) < 0.15
        objects = Objects(boxes, rng.integers(0, classes, count).astype(np.int32), *flags, areas)
        detections = detected(rng, objects, classes)
        if row % 4 == 2:
            detections = NO_DETECTIONS
        if masks:
            objects, detections = (
                changed(each, masks=tuple(map(ellipse, each.boxes))) for each in (objects, detections)
            )
            objects = changed(objects, areas=np.array([coco_masks.area(mask) for mask in objects.masks], np.float32))
        truth.append(objects)
        found.append(detections)
    return truth, found


def names(count):
    return [f"class {number}" for number in range(count)]


def by_pycocotools(folder, truth, found, *, classes, of="boxes", most=100):
    """COCOeval itself, of files."""
    image_ids = [3 * row + 2 for row in range(len(truth))]
    category_ids = [2 * number + 1 for number in range(classes)]
    written = coco_results.truth_to_json(
        truth,
        image_ids=image_ids,
        category_ids=category_ids,
        classes=names(classes),
        sizes=[SIZE] * len(truth),
        names=list(map(str, image_ids)),
    )
    results = coco_results.to_json(found, image_ids=image_ids, category_ids=category_ids, of=of)
    (folder / "truth.json").write_text(json.dumps(written))
    (folder / "found.json").write_text(json.dumps(results))
    return evaluated(folder / "truth.json", folder / "found.json", of=of, most=most)


def evaluated(truth, found, *, of, most=100):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth)
        evaluation = COCOeval(coco, coco.loadRes(str(found)), "bbox" if of == "boxes" else "segm")
        evaluation.params.maxDets = [1, 10, most]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def check_same(found, evaluation, classes):
    """The twelve figures, and those of classes as others read them from COCOeval, to the last digit."""
    expected = np.where(evaluation.stats == -1, np.nan, evaluation.stats)
    np.testing.assert_array_equal([*found.figures.values()], expected)
    precision = evaluation.eval["precision"]
    occurring = [number for number in range(len(classes)) if precision[0, 0, number, 0, 2] > -1]
    for measured in (found.by_class, found.ap50_by_class, found.curves):
        assert [*measured] == [classes[number] for number in occurring]
    for number in occurring:
        name = classes[number]
        assert found.by_class[name] == np.mean(precision[:, :, number, 0, -1])
        assert found.ap50_by_class[name] == np.mean(precision[0, :, number, 0, -1])
        np.testing.assert_array_equal(found.curves[name], precision[0, :, number, 0, -1])


@pytest.mark.parametrize("of", ["boxes", "masks"])
@pytest.mark.parametrize("classes", [1, 3, 7])
def test_figures_are_pycocotools_of_the_written_files(tmp_path, of, classes):
    for seed in range(3):
        truth, found = scenes(seed, classes=classes, masks=of == "masks")
        own = average_precision.evaluate(truth, found, classes=names(classes), sizes=[SIZE] * len(truth), of=of)
        check_same(own, by_pycocotools(tmp_path, truth, found, classes=classes, of=of), names(classes))
        assert 0.1 < own.ap < own.ap50 < 0.95
        assert not np.isnan([*own.figures.values()]).any()


def test_figures_of_masks_differ_from_those_of_boxes():
    truth, found = scenes(0, classes=2, masks=True)
    of_boxes, of_masks = (
        average_precision.evaluate(truth, found, classes=names(2), sizes=[SIZE] * len(truth), of=of)
        for of in ("boxes", "masks")
    )
    assert of_boxes.ap != of_masks.ap
    assert of_boxes.ap_medium != of_masks.ap_medium


@pytest.mark.parametrize("of", ["boxes", "masks"])
def test_figures_of_real_annotations_are_pycocotools(tmp_path, rng, of):
    if not REAL.exists():
        pytest.skip("no COCO beside the checkout")
    with tarfile.open(REAL) as archive:
        stored = json.load(archive.extractfile(REAL_TRUTH))
    stored["images"] = stored["images"][:50]
    there = {each["id"] for each in stored["images"]}
    stored["annotations"] = [each for each in stored["annotations"] if each["image_id"] in there]
    (tmp_path / "truth.json").write_text(json.dumps(stored))
    images, categories = (sorted(stored[each], key=lambda entry: entry["id"]) for each in ("images", "categories"))
    category_ids = [each["id"] for each in categories]
    truth = []
    for image in images:
        own = [each for each in stored["annotations"] if each["image_id"] == image["id"]]
        boxes = np.array([each["bbox"] for each in own], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([category_ids.index(each["category_id"]) for each in own], np.int32)
        crowd, areas = (np.array([each[key] for each in own]) for key in ("iscrowd", "area"))
        masks = tuple(each["segmentation"] for each in own)
        truth.append(Objects(boxes, labels, crowd > 0, crowd > 1, areas.astype(np.float32), masks))
    assert sum(each.crowd.sum() for each in truth) > 2
    found, sizes = [], [(each["height"], each["width"]) for each in images]
    for objects, (height, width) in zip(truth, sizes, strict=True):
        detections = detected(rng, objects, len(categories))
        corners, opposite = np.split(detections.boxes.astype(np.float64).clip(0, (width, height) * 2), 2, axis=1)
        within = coco_masks.frPyObjects(np.concatenate([corners, opposite - corners], 1), height, width)
        anything = coco_masks.merge(list(objects.masks)) if objects.masks else ellipse((0, 0, 9, 9), (height, width))
        masks = tuple(coco_masks.merge([anything, each], intersect=True) for each in within)
        found.append(changed(detections, masks=masks))
    results = coco_results.to_json(found, image_ids=[each["id"] for each in images], category_ids=category_ids, of=of)
    (tmp_path / "found.json").write_text(json.dumps(results))
    classes = [each["name"] for each in categories]
    own = average_precision.evaluate(truth, found, classes=classes, sizes=sizes, of=of)
    check_same(own, evaluated(tmp_path / "truth.json", tmp_path / "found.json", of=of), classes)
    assert 0.01 < own.ap < 0.99
    assert 20 < len(own.by_class) < 80  # not every class is in these pictures


def test_most_is_how_many_detections_of_a_class_count(tmp_path):
    truth, found = scenes(1, classes=1)
    own, all_of_them = (
        average_precision.evaluate(truth, found, classes=names(1), sizes=[SIZE] * len(truth), most=most)
        for most in (11, 100)
    )
    few = average_precision.evaluate(truth, found, classes=names(1), sizes=[SIZE] * len(truth), most=2)
    evaluation = by_pycocotools(tmp_path, truth, found, classes=1, most=11)
    # pycocotools' own summary looks for 100 detections in the first figure alone, and says -1
    assert evaluation.stats[0] == -1
    assert [*own.figures.values()][1:] == evaluation.stats[1:].tolist()
    assert own.ap == np.mean(evaluation.eval["precision"][:, :, :, 0, 2])
    assert few.ar1 == own.ar1
    assert few.ar1 < few.ar10 == few.ar100 < own.ar100 <= all_of_them.ar100


def one_box(*corners, classes=(0,), crowd=False):
    boxes = np.array([corners], np.float32)
    flags = np.array([crowd]), np.array([False])
    return Objects(boxes, np.array(classes, np.int32), *flags, (boxes[:, 2:] - boxes[:, :2]).prod(1))


def test_figures_of_one_object_found_and_one_missed_are_worked_by_hand():
    truth = [one_box(0, 0, 10, 10), one_box(0, 0, 100, 100), one_box(5, 5, 9, 9, classes=(1,))]
    found = [Detections(truth[0].boxes, truth[0].classes, np.array([0.5], np.float32)), NO_DETECTIONS, NO_DETECTIONS]
    own = average_precision.evaluate(truth, found, classes=("a", "b", "c"), sizes=[SIZE] * 3)
    assert own.by_class == own.ap50_by_class == {"a": pytest.approx(51 / 101), "b": 0}  # of recalls 0 to 0.5
    np.testing.assert_allclose(own.curves["a"], average_precision.RECALLS <= 0.5)
    assert (own.ar_small, own.ar_large, own.ar1) == (0.5, 0, 0.25)
    assert np.isnan([own.ap_medium, own.ar_medium]).all()


@pytest.mark.parametrize("of", ["boxes", "masks"])
def test_nothing_to_measure_has_no_figures(of):
    something = Detections(np.array([[0, 0, 9, 9]], np.float32), np.zeros(1, np.int32), np.ones(1, np.float32))
    something = changed(something, masks=(ellipse((0, 0, 9, 9)),))
    crowd = changed(one_box(0, 0, 90, 90, crowd=True), masks=(ellipse((0, 0, 90, 90)),))
    for truth, found in (
        ([], []),
        ([NO_OBJECTS], [NO_DETECTIONS]),
        ([NO_OBJECTS], [something]),
        ([crowd], [something]),
    ):
        own = average_precision.evaluate(truth, found, classes=names(2), sizes=[SIZE] * len(truth), of=of)
        assert np.isnan([*own.figures.values()]).all()
        assert own.by_class == own.ap50_by_class == own.curves == {}
    assert np.isnan(average_precision.evaluate([], [], classes=(), sizes=()).ap)


@pytest.mark.parametrize("of", ["boxes", "masks"])
def test_objects_without_detections_have_a_precision_of_zero(of):
    truth, _ = scenes(0, classes=1, masks=True)
    own = average_precision.evaluate(
        truth, [NO_DETECTIONS] * len(truth), classes=names(1), sizes=[SIZE] * len(truth), of=of
    )
    assert set(own.figures.values()) == {0.0}
    assert own.by_class == {"class 0": 0.0}


def test_nothing_is_printed_and_what_other_threads_print_is_kept(capfd):
    truth, found = scenes(0, classes=2)
    sizes = [SIZE] * len(truth)
    threads = [
        threading.Thread(target=lambda: average_precision.evaluate(truth, found, classes=names(2), sizes=sizes))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    said = 0
    while any(thread.is_alive() for thread in threads) or not said:
        print("said", flush=True)
        said += 1
    captured = capfd.readouterr()
    assert captured.out == "said\n" * said
    assert captured.err == ""
    COCO().createIndex()
    assert capfd.readouterr().out  # others' pycocotools speaks as ever


def test_evaluation_changes_nothing_of_what_it_is_given():
    truth, found = scenes(0, classes=2, masks=True)
    before = repr((truth, found))
    average_precision.evaluate(truth, found, classes=names(2), sizes=[SIZE] * len(truth), of="masks")
    assert repr((truth, found)) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"of": "segm"}, "of must be boxes or masks, got 'segm'"),
        ({"most": 0}, "most must be at least 1, got 0"),
        ({"found": []}, "found must have an entry for each of 12 pictures, got 0"),
        ({"sizes": [SIZE]}, "sizes must have an entry for each of 12 pictures, got 1"),
        ({"classes": names(1)}, r"truth must have classes below 1, picture \d+ has \[.*1"),
        ({"of": "masks"}, "truth must have masks where of is masks, picture 0 has none"),
    ],
)
def test_mistakes_are_user_errors(change, said):
    truth, found = scenes(0, classes=2)
    with pytest.raises(UserError, match=said):
        average_precision.evaluate(
            **{"truth": truth, "found": found, "classes": names(2), "sizes": [SIZE] * 12, **change}
        )


def test_masks_of_another_size_are_a_user_error():
    truth, found = scenes(0, classes=2, masks=True)
    found[1] = changed(found[1], masks=tuple(ellipse(box, (9, 9)) for box in found[1].boxes))
    with pytest.raises(UserError, match=r"found must have masks of its .* picture 1 \(200, 240\), got \(9, 9\)"):
        average_precision.evaluate(truth, found, classes=names(2), sizes=[SIZE] * 12, of="masks")
