import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from jaxdl import coco_results
from jaxdl.errors import UserError
from jaxdl.objects import Detections, Objects
from jaxdl.report.detection_errors import KINDS, THRESHOLDS, curves_of, errors_of

CLASSES = ("cat", "dog", "cow")
ON, OFF = (0, 0, 10, 10), (60, 60, 70, 70)


def objects(*boxes, classes=None, difficult=(), crowd=()):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    rows = np.arange(len(boxes))
    classes = np.zeros(len(boxes), np.int32) if classes is None else np.array(classes, np.int32)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return Objects(boxes, classes, np.isin(rows, crowd), np.isin(rows, difficult), areas)


def detections(*boxes, scores=None, classes=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.zeros(len(boxes), np.int32) if classes is None else np.array(classes, np.int32)
    scores = np.linspace(0.9, 0.6, len(boxes)) if scores is None else scores
    return Detections(boxes, classes, np.array(scores, np.float32))


def of_one(truth, found, **how):
    """(kinds, the picture's errors, confusion) of one picture."""
    errors = errors_of([truth], [found], classes=CLASSES, **how)
    (picture,) = errors.pictures
    return [KINDS[kind] for kind in picture.kinds], picture, errors.confusion


def cells(confusion):
    """{(true, predicted): count} of a confusion matrix, ``nothing`` by its name."""
    names = (*CLASSES, "nothing")
    return {
        (names[row], names[column]): confusion[row, column] for row, column in zip(*confusion.nonzero(), strict=True)
    }


@pytest.fixture
def scenes(rng):
    """(truth, found) of pictures with every kind of mistake, crowds, difficult objects and tied scores."""
    truth, found = [], []
    for row in range(30):
        count = 0 if row % 7 == 3 else rng.integers(1, 8)
        corners = rng.uniform(0, 60, (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 40, (count, 2))], 1)
        labels, flags = rng.integers(0, 3, count), rng.random((2, count)) < 0.15
        truth.append(
            objects(*boxes, classes=labels, crowd=np.flatnonzero(flags[0]), difficult=np.flatnonzero(flags[1]))
        )
        copies = rng.integers(0, 4, count) if row % 6 != 5 else np.zeros(count, int)
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2).repeat(copies, 0)
        moved = boxes.repeat(copies, 0) + sides * rng.normal(0, 1, sides.shape) * rng.choice(
            [0.02, 0.2], (len(sides), 1)
        )
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        own = np.where(rng.random(len(moved)) < 0.7, labels.repeat(copies), rng.integers(0, 3, len(moved)))
        scores = np.sort(np.round(rng.random(len(moved)), 1))[::-1]
        found.append(detections(*moved, classes=own, scores=scores))
    return truth, found


def overlap(one, other, crowd):
    width, height = (min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1))
    both = max(width, 0) * max(height, 0)
    own, others = ((each[2] - each[0]) * (each[3] - each[1]) for each in (one, other))
    return both / (own if crowd else own + others - both)


def tide(truth, found, threshold):
    """(kind of each detection, missed objects) of one picture, as the paper defines them, one by one."""
    boxes, targets = found.boxes.tolist(), list(zip(truth.boxes.tolist(), truth.classes, strict=True))
    ignored = [bool(crowd or difficult) for crowd, difficult in zip(truth.crowd, truth.difficult, strict=True)]
    kinds, taken, fixable = [], set(), set()
    for box, label, score in zip(boxes, found.classes, found.scores, strict=True):
        if score < np.float32(threshold):
            continue
        overlaps = [overlap(box, other, crowd) for (other, _), crowd in zip(targets, truth.crowd, strict=True)]
        own, others, regions = {}, {}, {}
        for row, (_, other) in enumerate(targets):
            kind = (regions if other == label else {}) if ignored[row] else own if other == label else others
            kind[row] = overlaps[row]
        free = {row: value for row, value in own.items() if row not in taken and value >= 0.5}
        nearest, nearest_other = max(own, key=own.get, default=None), max(others, key=others.get, default=None)
        if free:
            taken.add(max(free, key=free.get))
            kinds.append("correct")
        elif max(regions.values(), default=0) >= 0.5:
            kinds.append("ignored")
        elif own and 0.1 <= own[nearest] < 0.5:
            fixable.add(nearest)
            kinds.append("localization")
        elif others and others[nearest_other] >= 0.5:
            fixable.add(nearest_other)
            kinds.append("classification")
        elif own and own[nearest] >= 0.5:
            kinds.append("duplicate")
        elif max((*own.values(), *others.values()), default=0) < 0.1:
            kinds.append("background")
        else:
            kinds.append("both")
    return kinds, [row not in taken | fixable and not ignored[row] for row in range(len(ignored))]


@pytest.mark.parametrize("threshold", [0, 0.3, 0.7])
def test_kinds_are_those_of_tide(scenes, threshold):
    errors = errors_of(*scenes, classes=CLASSES, threshold=threshold)
    expected = [tide(*picture, threshold) for picture in zip(*scenes, strict=True)]
    assert [[KINDS[kind] for kind in each.kinds] for each in errors.pictures] == [kinds for kinds, _ in expected]
    assert [each.missed.tolist() for each in errors.pictures] == [missed for _, missed in expected]
    every = [kind for kinds, _ in expected for kind in kinds]
    missed = sum(sum(each) for _, each in expected)
    assert errors.counts == {**{kind: every.count(kind) for kind in KINDS}, "missed": missed}
    assert threshold > 0.5 or min(errors.counts.values()) > 0  # each kind occurs


def test_detections_say_which_object_they_are_about(scenes):
    errors = errors_of(*scenes, classes=CLASSES, threshold=0.3)
    for picture, truth, found in zip(errors.pictures, *scenes, strict=True):
        np.testing.assert_array_equal(picture.rows, np.flatnonzero(found.scores >= np.float32(0.3)))
        for row, kind, number in zip(picture.rows, picture.kinds, picture.objects, strict=True):
            kind = KINDS[kind]
            assert (number < 0) == (kind in ("background", "both", "ignored"))
            if number < 0:
                continue
            iou = overlap(found.boxes[row].tolist(), truth.boxes[number].tolist(), False)
            assert 0.1 <= iou < 0.5 if kind == "localization" else iou >= 0.5
            assert (truth.classes[number] == found.classes[row]) == (kind != "classification")
            assert not truth.crowd[number]
            assert not truth.difficult[number]
            assert (picture.found[number] == row) == (kind == "correct")
        correct = picture.rows[picture.kinds == KINDS.index("correct")]
        assert sorted(picture.found[picture.found >= 0]) == sorted(correct)


def test_every_object_and_every_detection_is_in_one_cell_of_the_matrix(scenes):
    truth, found = scenes
    errors = errors_of(truth, found, classes=CLASSES, threshold=0.3)
    kept = [each.classes[each.scores >= np.float32(0.3)] for each in found]
    counted = [
        classes[each.kinds != KINDS.index("ignored")] for classes, each in zip(kept, errors.pictures, strict=True)
    ]
    there = [each.classes[~(each.crowd | each.difficult)] for each in truth]
    np.testing.assert_array_equal(errors.confusion[:3].sum(1), np.bincount(np.concatenate(there)))
    np.testing.assert_array_equal(errors.confusion[:, :3].sum(0), np.bincount(np.concatenate(counted)))
    assert errors.confusion[3, 3] == 0
    assert np.trace(errors.confusion) == errors.counts["correct"]
    assert (errors.confusion[:3, :3].sum() - np.trace(errors.confusion)) > 0
    assert errors.confusion.dtype == np.int64


def test_each_kind_is_worked_by_hand():
    kinds, picture, confusion = of_one(
        objects(ON, (30, 30, 40, 40), (50, 0, 60, 10), (0, 30, 10, 40), classes=[0, 1, 2, 2]),
        detections(*(ON, ON, (30, 30, 40, 40), (50, 0, 60, 4), (0, 30, 10, 34), OFF), classes=[0, 0, 0, 2, 1, 1]),
    )
    assert kinds == ["correct", "duplicate", "classification", "localization", "both", "background"]
    assert picture.objects.tolist() == [0, 0, 1, 2, -1, -1]
    assert picture.found.tolist() == [0, -1, -1, -1]
    assert picture.missed.tolist() == [False, False, False, True]
    assert cells(confusion) == {
        ("cat", "cat"): 1,
        ("dog", "cat"): 1,
        ("cow", "nothing"): 2,
        ("nothing", "cat"): 1,
        ("nothing", "dog"): 2,
        ("nothing", "cow"): 1,
    }


def test_detection_of_a_taken_object_takes_the_next_one():
    """As COCO matches, unlike VOC."""
    kinds, picture, _ = of_one(objects(ON, (0, 2, 10, 12)), detections(ON, ON))
    assert kinds == ["correct", "correct"]
    assert picture.found.tolist() == [0, 1]


def test_higher_score_takes_the_object_whatever_the_order():
    kinds, picture, _ = of_one(objects(ON), detections(ON, ON, scores=[0.6, 0.9]))
    assert kinds == ["duplicate", "correct"]
    assert picture.found.tolist() == [1]
    kinds, picture, _ = of_one(objects(ON), detections(OFF, ON, scores=[0.1, 0.9]))
    assert kinds == ["correct"]
    assert picture.found.tolist() == picture.rows.tolist() == [1]


def test_crowds_and_difficult_objects_are_neither_missed_nor_make_mistakes():
    truth = objects(ON, (50, 50, 99, 99), difficult=[0], crowd=[1])
    kinds, picture, confusion = of_one(truth, detections(ON, ON, OFF, (80, 80, 85, 85)))
    assert kinds == ["ignored"] * 4
    assert picture.missed.tolist() == [False, False]
    assert confusion.sum() == 0
    kinds, picture, confusion = of_one(truth, detections(ON, OFF, classes=[1, 1]))
    assert kinds == ["background", "background"]  # of another class, as COCO and VOC count
    assert cells(confusion) == {("nothing", "dog"): 2}
    curves = curves_of([truth], [detections(ON, OFF)], classes=CLASSES)
    assert not any(each.any() for each in (curves.positives, curves.true_positives, curves.false_positives))


def test_object_is_preferred_to_a_crowd_around_it():
    kinds, picture, _ = of_one(objects((0, 0, 99, 99), ON, crowd=[0]), detections(ON))
    assert kinds == ["correct"]
    assert picture.found.tolist() == [-1, 0]


def test_wrong_class_stands_against_an_object_that_nothing_found():
    _, _, confusion = of_one(objects(ON), detections(ON, ON, classes=[1, 0]))
    assert cells(confusion) == {("cat", "cat"): 1, ("nothing", "dog"): 1}
    _, _, confusion = of_one(objects(ON), detections(ON, ON, classes=[1, 2]))
    assert cells(confusion) == {("cat", "dog"): 1, ("nothing", "cow"): 1}
    _, _, confusion = of_one(objects(ON, (0, 2, 10, 12)), detections(ON, ON, classes=[1, 2]))
    assert cells(confusion) == {("cat", "dog"): 1, ("cat", "cow"): 1}


def test_threshold_of_a_score_of_single_precision_includes_it():
    for threshold in (0.1, 0.7, np.float64(0.7), 0.9):
        kinds, _, _ = of_one(
            objects(ON), detections(ON, OFF, scores=[threshold, threshold - 1e-6]), threshold=threshold
        )
        assert kinds == ["correct"]
        curves = curves_of([objects(ON)], [detections(ON, scores=[threshold])], classes=CLASSES)
        np.testing.assert_array_equal(curves.true_positives[0], np.round(threshold * 100) >= np.arange(101))


def test_curves_are_the_counts_of_the_errors_at_each_threshold(scenes):
    curves = curves_of(*scenes, classes=CLASSES)
    for column in range(0, 101, 7):
        errors = errors_of(*scenes, classes=CLASSES, threshold=THRESHOLDS[column])
        right = np.diag(errors.confusion)[:3]
        np.testing.assert_array_equal(curves.true_positives[:, column], right)
        np.testing.assert_array_equal(curves.false_positives[:, column], errors.confusion[:, :3].sum(0) - right)
        np.testing.assert_array_equal(curves.false_negatives[:, column], errors.confusion[:3].sum(1) - right)


def test_counts_are_those_of_pycocotools(scenes):
    truth = [Objects(each.boxes, each.classes, each.crowd, each.crowd & False, each.areas) for each in scenes[0]]
    found = scenes[1]
    ids, sizes = range(1, 31), [(100, 100)] * 30
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = coco_results.truth_to_json(
            truth, image_ids=ids, category_ids=(1, 2, 3), classes=CLASSES, sizes=sizes, names=["a"] * 30
        )
        coco.createIndex()
        results = coco_results.to_json(found, image_ids=ids, category_ids=(1, 2, 3))
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
    curves = curves_of(truth, found, classes=CLASSES)
    for number in range(3):
        own = [
            each
            for each in evaluation.evalImgs
            if each and each["category_id"] == number + 1 and each["aRng"] == [0, 1e10]
        ]
        matched, ignored = (np.concatenate([each[key][0] for each in own]) for key in ("dtMatches", "dtIgnore"))
        scores = np.concatenate([each["dtScores"] for each in own])[:, None] >= THRESHOLDS.astype(np.float32)
        assert ignored.any()
        right, wrong = (matched > 0) & ~ignored, (matched == 0) & ~ignored
        np.testing.assert_array_equal(curves.true_positives[number], (scores & right[:, None]).sum(0))
        np.testing.assert_array_equal(curves.false_positives[number], (scores & wrong[:, None]).sum(0))
        assert curves.positives[number] == sum((each["gtIgnore"] == 0).sum() for each in own)


def test_recall_precision_and_f1_are_worked_by_hand():
    truth = [objects(ON, (30, 30, 40, 40), (50, 0, 60, 10), classes=[0, 0, 1])]
    found = [detections(ON, OFF, (30, 30, 40, 40), classes=[0, 0, 0], scores=[0.8, 0.5, 0.5])]
    curves = curves_of(truth, found, classes=CLASSES, thresholds=[0.2, 0.6, 0.9])
    nan = np.nan
    np.testing.assert_allclose(curves.recall, [[1, 0.5, 0], [0, 0, 0], [nan] * 3])
    np.testing.assert_allclose(curves.precision, [[2 / 3, 1, nan], [nan] * 3, [nan] * 3])
    np.testing.assert_allclose(curves.f1, [[0.8, 2 / 3, 0], [0, 0, 0], [nan] * 3])
    np.testing.assert_array_equal(curves.best, [0.2, nan, nan])
    together = curves.together
    np.testing.assert_allclose(together.recall, [[2 / 3, 1 / 3, 0]])
    np.testing.assert_allclose(together.precision, [[2 / 3, 1, nan]])
    np.testing.assert_allclose(together.f1, [[2 / 3, 1 / 2, 0]])
    np.testing.assert_array_equal(together.false_negatives, [[1, 2, 3]])


def test_best_threshold_is_the_lowest_of_the_highest_f1():
    found = [detections(ON, OFF, scores=[0.8, 0.5])]
    curves = curves_of([objects(ON)], found, classes=CLASSES, thresholds=[0.4, 0.6, 0.7, 0.9])
    np.testing.assert_allclose(curves.f1[0], [2 / 3, 1, 1, 0])
    assert curves.best[0] == 0.6
    assert curves.together.best.tolist() == [0.6]
    assert curves_of([objects(ON)], [detections(ON, OFF, scores=[0.7, 0.69])], classes=CLASSES).best[0] == 0.7


def test_nothing_has_no_mistakes():
    for truth, found in (([], []), ([objects()], [detections()])):
        errors, curves = (each(truth, found, classes=CLASSES) for each in (errors_of, curves_of))
        assert not any(errors.counts.values())
        assert errors.confusion.sum() == 0
        assert np.isnan(curves.f1).all()
        assert np.isnan([*curves.best, *curves.together.best]).all()
    assert of_one(objects(), detections(ON))[0] == ["background"]
    assert np.isnan(curves_of([objects()], [detections(ON)], classes=CLASSES).f1).all()
    kinds, picture, confusion = of_one(objects(ON), detections())
    assert kinds == []
    assert picture.missed.tolist() == [True]
    assert cells(confusion) == {("cat", "nothing"): 1}


@pytest.mark.parametrize("measure", [errors_of, curves_of])
def test_mistakes_are_user_errors(measure):
    with pytest.raises(UserError, match="found must have an entry for each of 1 pictures, got 0"):
        measure([objects()], [], classes=CLASSES)
    with pytest.raises(UserError, match=r"found must have classes below 3, picture 0 has \[3\]"):
        measure([objects()], [detections(ON, classes=[3])], classes=CLASSES)
