"""Predictions of a detector that is drawn at random: true objects of coloured pictures, found well, badly or not."""

import numpy as np

from jaxdl import rle
from jaxdl.objects import Detections, Objects
from jaxdl.report.class_colors import class_colors
from jaxdl.report.detection_page import DetectionReport
from jaxdl.report.detection_predictions import DetectionPredictions, evaluation_of
from tests.report import reports

CLASSES = ("cell", "plate", "crystal")
SIZE = (90, 120)


def made(*, pictures=14, classes=CLASSES, masks=False, most=5, seed=0):
    """DetectionPredictions, and their pictures, uint8[N, *SIZE, 3]."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 140, (pictures, *SIZE, 3)).astype(np.uint8)
    truth, found = [], []
    for image in images:
        boxes, names = [], []
        for _ in range(rng.integers(1, most + 1)):
            x, y = rng.integers(0, SIZE[1] - 30), rng.integers(0, SIZE[0] - 30)
            boxes.append((x, y, x + rng.integers(12, 30), y + rng.integers(12, 30)))
            names.append(rng.integers(len(classes)))
            x1, y1, x2, y2 = boxes[-1]
            image[y1:y2, x1:x2] = class_colors(len(classes))[names[-1]]
        boxes = np.array(boxes, np.float32)
        none = np.zeros(len(boxes), bool)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        codes = tuple(map(_filled, boxes)) if masks else None
        truth.append(Objects(boxes, np.array(names, np.int32), none, none, areas, codes))
        found.append(_found(rng, truth[-1], len(classes), masks))
    return DetectionPredictions(tuple(found), tuple(truth), (SIZE,) * pictures, tuple(classes)), images


def report(predictions, images, **changed):
    """A DetectionReport with something in each section, but for what is ``changed``."""
    records = reports.records(groups=())
    for each in records:
        if each["kind"] == "epoch":
            each |= {"train_loss_classifier": each["train_loss"] / 2, "val_ap": each["epoch"] / 10, "val_ap50": 0.5}
    contents = {
        "title": "cells",
        "notice": None,
        "facts": {"command": "python -m jaxdl detect --data-dir cells"},
        "records": records,
        "groups": (),
        "findings": [reports.FINDING],
        "split": "test",
        "predictions": predictions,
        "evaluation": evaluation_of(predictions),
        "images": images,
        "names": [f"{row}.png" for row in range(len(predictions))],
        "seen": list(images[:2]),
        "seen_objects": predictions.truth[:2],
    }
    return DetectionReport(**contents | changed)


def _found(rng, objects, classes, masks):
    rows = np.flatnonzero(rng.random(len(objects)) < 0.8)
    boxes = objects.boxes[rows] + rng.normal(0, 2, (len(rows), 4))
    names = np.where(rng.random(len(rows)) < 0.9, objects.classes[rows], rng.integers(classes, size=len(rows)))
    if rng.random() < 0.5:  # one that is invented
        boxes = np.concatenate([boxes, [(1, 1, 25, 25)]])
        names = np.append(names, rng.integers(classes))
    scores = np.sort(rng.random(len(boxes)))[::-1]
    boxes = np.clip(boxes, 0, SIZE[::-1] * 2).astype(np.float32)
    codes = tuple(map(_filled, boxes)) if masks else None
    return Detections(boxes, names.astype(np.int32), scores.astype(np.float32), codes)


def _filled(box):
    mask = np.zeros(SIZE, bool)
    x1, y1, x2, y2 = np.rint(box).astype(int)
    mask[y1 : y2 + 1, x1 : x2 + 1] = True
    return rle.encode(mask)
