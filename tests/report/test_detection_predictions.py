"""Predictions of a detector: figures, the worst pictures, every detection as CSV, and the evaluation as JSON."""

import csv
import json
import math

import numpy as np
import pytest

from jaxdl import rle
from jaxdl.objects import Detections, Objects
from jaxdl.report.detection_predictions import (
    USUAL,
    DetectionEvaluation,
    DetectionPredictions,
    evaluation_of,
)
from tests.report import found_objects

CLASSES = ("cat", "dog", "bird")


def objects(boxes, classes, *, difficult=(), masks=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    flags = np.isin(np.arange(len(boxes)), difficult)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return Objects(boxes, np.array(classes, np.int32), np.zeros(len(boxes), bool), flags, areas, masks)


def detections(boxes, classes, scores, masks=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(classes, np.int32), np.array(scores, np.float32), masks)


A, B, FAR = (0, 0, 20, 20), (30, 0, 50, 20), (60, 60, 80, 80)
THREE = DetectionPredictions(
    found=(
        detections([A, B], [0, 1], [0.9, 0.8]),
        detections([A, FAR, B], [1, 0, 1], [0.7, 0.6, 0.3]),
        detections([], [], []),
    ),
    truth=(objects([A, B], [0, 1]), objects([A, B], [0, 1], difficult=[1]), objects([B], [1])),
    sizes=((100, 100),) * 3,
    classes=CLASSES,
)


def test_the_worst_pictures_have_the_most_mistakes_and_the_best_are_none():
    assert THREE.threshold == pytest.approx(0.71)
    assert THREE.mistakes.tolist() == [0, 1, 1]  # at 0.71 the second finds nothing, and misses what counts
    assert THREE.worst(9).tolist() == [1, 2]
    assert THREE.worst(1).tolist() == [1]


def test_where_nothing_is_found_the_threshold_is_the_usual_one():
    nothing = DetectionPredictions((detections([], [], []),), (objects([A], [0]),), ((50, 50),), CLASSES)
    found = evaluation_of(nothing)
    assert (found.threshold, found.ap, found.counts["missed"]) == (USUAL, 0.0, 1)
    assert found.threshold_by_class == {"cat": None, "dog": None, "bird": None}
    json.dumps(found.to_json(), allow_nan=False)


def test_each_detection_is_a_line_with_its_kind_of_mistake(tmp_path):
    THREE.write(tmp_path / "predictions.csv", ["a.png", "b.png", "c.png"])
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert [(each["row"], each["file"], each["class"], each["score"], each["kind"]) for each in rows] == [
        ("0", "a.png", "cat", "0.9", "correct"),
        ("0", "a.png", "dog", "0.8", "correct"),
        ("1", "b.png", "dog", "0.7", "classification"),
        ("1", "b.png", "cat", "0.6", "background"),
        ("1", "b.png", "dog", "0.3", "ignored"),
    ]
    assert [rows[1][side] for side in ("x1", "y1", "x2", "y2")] == ["30.00", "0.00", "50.00", "20.00"]


def test_an_evaluation_holds_figures_by_class_and_survives_json():
    found = evaluation_of(THREE)
    assert (found.pictures, found.objects) == (3, 4)
    assert found.objects_by_class == {"cat": 2, "dog": 2, "bird": 0}
    assert found.ap_by_class["bird"] is None
    assert set(found.by_class) == {"cat", "dog"}
    assert found.recall_by_class["cat"] == 0.5
    assert found.precision_by_class == {"cat": 1.0, "dog": 1.0, "bird": None}
    assert found.confusion == ((1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 0, 0), (0, 0, 0, 0))
    assert found.named == (*CLASSES, "nothing")
    assert DetectionEvaluation.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_figures_are_those_of_a_runs_records():
    from jaxdl.data.detection.padded import PaddedObjects
    from jaxdl.run.detection.measures import figures_of

    sizes = np.array(THREE.sizes, np.int32)
    labels = PaddedObjects(THREE.truth, 2, False, (100, 100), sizes, (1, 2, 3), (1, 2, 3))
    assert figures_of(list(THREE.found), labels, CLASSES) == THREE.figures
    assert {"ap", "ap50", "voc_ap50", "ap/cat", "ap/dog"} <= set(THREE.figures)
    assert "ap/bird" not in THREE.figures
    assert not any(map(math.isnan, THREE.figures.values()))


def test_masks_are_measured_where_both_have_them():
    area = np.zeros((40, 40), bool)
    area[5:15, 5:15] = True
    masks = (rle.encode(area),)
    box = [(5, 5, 15, 15)]
    both = DetectionPredictions(
        (detections(box, [0], [0.9], masks),), (objects(box, [0], masks=masks),), ((40, 40),), CLASSES
    )
    assert both.figures["mask_ap"] == both.figures["ap"] == pytest.approx(1.0)
    assert evaluation_of(both).mask_ap_by_class["cat"] == pytest.approx(1.0)
    without = DetectionPredictions((detections(box, [0], [0.9]),), both.truth, both.sizes, CLASSES)
    assert "mask_ap" not in without.figures
    assert evaluation_of(without).mask_ap_by_class == {}


def test_counts_at_the_threshold_add_up():
    predictions, _ = found_objects.made(pictures=12)
    found = evaluation_of(predictions)
    confusion = np.array(found.confusion)
    assert confusion[:-1].sum() == found.objects
    wrong = sum(count for kind, count in found.counts.items() if kind not in ("missed", "ignored"))
    assert confusion[:, :-1].sum() == wrong
