from fractions import Fraction

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.objects import Detections, Objects
from jaxdl.voc_precision import box_iou, voc_ap


def objects(*boxes, classes=None, difficult=(), crowd=()):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    rows = np.arange(len(boxes))
    classes = np.zeros(len(boxes), np.int32) if classes is None else np.array(classes, np.int32)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return Objects(boxes, classes, np.isin(rows, crowd), np.isin(rows, difficult), areas)


def detections(*boxes, scores=(), classes=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.zeros(len(boxes), np.int32) if classes is None else np.array(classes, np.int32)
    return Detections(boxes, classes, np.array(scores, np.float32))


def exact_iou(one, other, more):
    """Fraction of integers, pixel for pixel as the development kit counts them."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + more
    height = min(one[3], other[3]) - max(one[1], other[1]) + more
    if width <= 0 or height <= 0:
        return Fraction(0)
    areas = [(x2 - x1 + more) * (y2 - y1 + more) for x1, y1, x2, y2 in (one, other)]
    return Fraction(width * height, sum(areas) - width * height)


def slow_ap(truth, found, number, *, iou, more):
    """Average precision as the mean, over the objects, of the best precision at which at least so many are found."""
    queue = []
    for picture, each in enumerate(found):
        for box, label, score in zip(each.boxes.tolist(), each.classes, each.scores, strict=True):
            if label == number:
                queue.append((-score, len(queue), picture, [int(corner) for corner in box]))
    used, right, wrong, points = set(), 0, 0, []
    for _, _, picture, box in sorted(queue):
        each, best, goal = truth[picture], Fraction(-1), None
        for row, (other, label) in enumerate(zip(each.boxes.tolist(), each.classes, strict=True)):
            overlap = exact_iou(box, [int(corner) for corner in other], more)
            if label == number and overlap > best:
                best, goal = overlap, row
        if best >= iou and each.difficult[goal]:
            continue
        if best >= iou and (picture, goal) not in used:
            used.add((picture, goal))
            right += 1
        else:
            wrong += 1
        points.append((right, Fraction(right, right + wrong)))
    count = sum(int(((each.classes == number) & ~each.difficult).sum()) for each in truth)
    if not count:
        return None
    best = [max((value for found, value in points if found >= least), default=0) for least in range(1, count + 1)]
    return Fraction(sum(best), count)


def scenes(seed, classes):
    """(truth, found) with corners of whole numbers, many tied scores and overlaps of exactly one half."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for row in range(15):
        count = 0 if row % 6 == 4 else rng.integers(1, 7)
        corners = rng.integers(0, 12, (count, 2)) * 4
        boxes = np.concatenate([corners, corners + rng.integers(1, 5, (count, 2)) * 8], 1)
        labels = rng.integers(0, classes, count)
        truth.append(objects(*boxes, classes=labels, difficult=np.flatnonzero(rng.random(count) < 0.2)))
        copies = rng.integers(0, 3, count) if row % 6 != 5 else np.zeros(count, int)
        moved = boxes.repeat(copies, 0) + rng.choice([-4, -1, 0, 1, 4], (copies.sum(), 4), p=[0.1, 0.1, 0.6, 0.1, 0.1])
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        own = np.where(rng.random(len(moved)) < 0.8, labels.repeat(copies), rng.integers(0, classes, len(moved)))
        scores = np.sort(np.round(rng.random(len(moved)), 1))[::-1]
        found.append(detections(*moved, classes=own, scores=scores))
    return truth, found


@pytest.mark.parametrize("pixel_inclusive", [True, False])
@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_precision_is_that_of_exact_fractions(iou, pixel_inclusive):
    for seed in range(6):
        classes = "abcd"[: 1 + seed % 4]
        truth, found = scenes(seed, len(classes))
        own = voc_ap(truth, found, classes=classes, iou=iou, pixel_inclusive=pixel_inclusive)
        slow = [
            slow_ap(truth, found, number, iou=Fraction(iou), more=int(pixel_inclusive))
            for number in range(len(classes))
        ]
        expected = {name: value for name, value in zip(classes, slow, strict=True) if value is not None}
        assert own.by_class == {name: pytest.approx(float(value), rel=1e-12) for name, value in expected.items()}
        assert own.mean == pytest.approx(float(sum(expected.values()) / len(expected)), rel=1e-12)
        assert 0.05 < own.mean < 0.95


def test_pixel_convention_tells_boxes_apart():
    truth, found = [objects((10, 10, 11, 11))], [detections((10, 10, 11, 10), scores=[1])]
    assert box_iou(found[0].boxes, truth[0].boxes) == 0
    assert voc_ap(truth, found, classes="a").mean == 1  # two of four pixels
    assert voc_ap(truth, found, classes="a", pixel_inclusive=False).mean == 0
    assert voc_ap(truth, found, classes="a", iou=0.51).mean == 0


def test_precision_of_three_detections_is_worked_by_hand():
    """Right, wrong, right of two objects: precision 1 up to a recall of 1/2, then 2/3."""
    truth = [objects((0, 0, 9, 9), (50, 50, 59, 59)), objects()]
    found = [
        detections((0, 0, 9, 9), (50, 50, 59, 59), scores=[0.9, 0.3]),
        detections((0, 0, 9, 9), scores=[0.5]),
    ]
    assert voc_ap(truth, found, classes="a").mean == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


def test_second_detection_of_an_object_is_wrong_though_another_is_near():
    """The second lies on both objects, more on the first, which is taken: COCO would give it the other."""
    truth = [objects((0, 0, 9, 9), (0, 2, 9, 11))]
    twice = [detections((0, 0, 9, 9), (0, 0, 9, 9), scores=[0.9, 0.8])]
    assert voc_ap(truth, twice, classes="a").mean == 1 / 2
    each = [detections((0, 0, 9, 9), (0, 2, 9, 11), scores=[0.9, 0.8])]
    assert voc_ap(truth, each, classes="a").mean == 1


def test_difficult_objects_and_crowds_and_detections_of_them_do_not_count():
    truth = [objects((0, 0, 9, 9), (20, 20, 29, 29), (40, 40, 99, 99), difficult=[1], crowd=[2])]
    on_them = [(20, 20, 29, 29), (20, 20, 29, 29), (50, 50, 55, 55), (60, 60, 65, 65)]
    found = [detections(*on_them, (0, 0, 9, 9), scores=[0.9, 0.8, 0.7, 0.6, 0.5])]
    assert voc_ap(truth, found, classes="a").mean == 1
    plain = [objects(*truth[0].boxes)]
    assert voc_ap(plain, found, classes="a").mean == pytest.approx((1 + 2 / 5) / 3)


def test_tied_scores_keep_the_order_of_pictures():
    truth, on, off = [objects((0, 0, 9, 9)), objects()], (0, 0, 9, 9), (30, 30, 39, 39)
    found = [detections(on, scores=[0.5]), detections(off, scores=[0.5])]
    assert voc_ap(truth, found, classes="a").mean == 1
    assert voc_ap(truth[::-1], found[::-1], classes="a").mean == 1 / 2


def test_classes_without_objects_have_no_precision():
    truth = [objects((0, 0, 9, 9), (20, 20, 29, 29), classes=[2, 1], difficult=[1])]
    found = [detections((0, 0, 9, 9), (0, 0, 9, 9), classes=[2, 0], scores=[0.9, 0.8])]
    own = voc_ap(truth, found, classes="abc")
    assert own.by_class == {"c": 1}
    assert own.mean == 1


def test_nothing_found_is_zero_and_nothing_there_has_no_precision():
    assert voc_ap([objects((0, 0, 9, 9))], [detections()], classes="ab") == (0, {"a": 0})
    for truth, found in (
        ([], []),
        ([objects()], [detections()]),
        ([objects()], [detections((0, 0, 9, 9), scores=[1])]),
    ):
        own = voc_ap(truth, found, classes="a")
        assert np.isnan(own.mean)
        assert own.by_class == {}


def test_overlaps_with_crowds_are_shares_of_the_box():
    boxes, others = [(0, 0, 10, 10), (95, 0, 105, 10)], [(0, 0, 100, 100), (0, 0, 100, 100), (5, 0, 15, 10)]
    overlaps = box_iou(boxes, others, crowd=np.array([False, True, False]))
    np.testing.assert_allclose(overlaps, [[0.01, 1, 1 / 3], [50 / 10050, 0.5, 0]])
    assert box_iou([(0, 0, 0, 0)], [(0, 0, 0, 0)]) == 0


@pytest.mark.parametrize(
    ("truth", "found", "said"),
    [
        ([objects()], [], "found must have an entry for each of 1 pictures, got 0"),
        (
            [objects()],
            [detections((0, 0, 1, 1), classes=[2], scores=[1])],
            r"found must have .* below 2, picture 0 .*2",
        ),
        (
            [objects((0, 0, 1, 1), classes=[-1])],
            [detections()],
            r"truth must have classes below 2, picture 0 has \[-1\]",
        ),
    ],
)
def test_mistakes_are_user_errors(truth, found, said):
    with pytest.raises(UserError, match=said):
        voc_ap(truth, found, classes="ab")
