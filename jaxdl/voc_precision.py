"""VOC's average precision of detections at one IoU, as its development kit of 2010 and later has it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxdl.errors import UserError
from jaxdl.objects import Detections, Objects


class VocPrecision(NamedTuple):
    """mean: over classes with an object that counts, NaN without any; by_class: of each of them, by name; in [0, 1]."""

    mean: float
    by_class: dict[str, float]


def voc_ap(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    *,
    classes: Sequence[str],
    iou: float = 0.5,
    pixel_inclusive: bool = True,
) -> VocPrecision:
    """Area under each class's precision-recall curve, made monotone, at every recall that it reaches.

    Detections of a class, the highest score first and of ties the earlier picture's, each go to the object of the class
    in their picture of the largest IoU. With ``iou`` or more the first of an object is right and every further one
    wrong, without a look at other objects; COCO's would take the next. Difficult objects, and crowds, which VOC does
    not know, count in no way, nor do detections that go to them.

    pixel_inclusive: corners are numbers of pixels that both belong to the box, as in VOC's files, so that x2 - x1 + 1
    is the width; False for corners of which x2 - x1 is, as where 1 was taken from VOC's x1 and y1 alone.
    Raises UserError for numbers of pictures that differ and an unknown class.
    """
    check(truth, found, len(classes))
    labels, scores, goals, counts = _goals(truth, found, iou, pixel_inclusive)
    positives = np.zeros(len(classes), np.int64)
    for each in truth:
        positives += np.bincount(each.classes[~(each.crowd | each.difficult)], minlength=len(classes))
    by_class = {}
    for number in np.flatnonzero(positives):
        own = np.flatnonzero((labels == number) & counts)
        order = own[np.argsort(-scores[own], kind="stable")]
        by_class[classes[number]] = _area(_first(goals[order]), positives[number])
    return VocPrecision(float(np.mean([*by_class.values()])) if by_class else float("nan"), by_class)


def box_iou(
    boxes: np.ndarray, others: np.ndarray, *, crowd: np.ndarray | None = None, pixel_inclusive: bool = False
) -> np.ndarray:
    """Intersection over union of each of ``boxes: [K, 4]`` with each of ``others: [M, 4]``, float64[K, M].

    Boxes are (x1, y1, x2, y2). Of ``others`` that are ``crowd: bool[M]``, the share of the box that lies in them, as
    COCO counts. Without crowd and pixel_inclusive ``torchvision.ops.box_iou``.
    """
    boxes, others = (np.asarray(each, np.float64).reshape(-1, 4) for each in (boxes, others))
    more = float(pixel_inclusive)
    areas, other_areas = ((each[:, 2:] - each[:, :2] + more).prod(1) for each in (boxes, others))
    upper = np.maximum(boxes[:, None, :2], others[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.maximum(lower - upper + more, 0).prod(2)
    union = areas[:, None] + other_areas[None, :] - both
    if crowd is not None:
        union = np.where(crowd[None, :], areas[:, None], union)
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def check(truth: Sequence[Objects], found: Sequence[Detections], classes: int) -> None:
    """Raises UserError if there are not as many pictures of both, or one has a class that is not below ``classes``."""
    if len(found) != len(truth):
        raise UserError(f"found must have an entry for each of {len(truth)} pictures, got {len(found)}.")
    for name, pictures in (("truth", truth), ("found", found)):
        for row, each in enumerate(pictures):
            if len(each) and not 0 <= each.classes.min() <= each.classes.max() < classes:
                raise UserError(f"{name} must have classes below {classes}, picture {row} has {each.classes.tolist()}.")


def _goals(
    truth: Sequence[Objects], found: Sequence[Detections], iou: float, pixel_inclusive: bool
) -> tuple[np.ndarray, ...]:
    """Of every detection of all pictures its class, score, the number of its object, -1 without, and if it counts."""
    labels, scores, goals, counts = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    before = 0
    for objects, detections in zip(truth, found, strict=True):
        goal, ignored = np.full(len(detections), -1), np.zeros(len(detections), bool)
        if len(objects) and len(detections):
            overlaps = box_iou(detections.boxes, objects.boxes, crowd=objects.crowd, pixel_inclusive=pixel_inclusive)
            overlaps[detections.classes[:, None] != objects.classes[None, :]] = -1
            best = overlaps.argmax(1)
            near = overlaps.max(1) >= iou
            goal[near] = best[near] + before
            ignored[near] = (objects.crowd | objects.difficult)[best[near]]
        labels.append(detections.classes)
        scores.append(np.asarray(detections.scores, np.float64))
        goals.append(goal)
        counts.append(~ignored)
        before += len(objects)
    return tuple(map(np.concatenate, (labels, scores, goals, counts)))


def _first(goals: np.ndarray) -> np.ndarray:
    """bool[K]: whether a detection, the highest score first, has an object that none before it has."""
    right = np.zeros(len(goals), bool)
    right[np.unique(goals, return_index=True)[1]] = True
    return right & (goals >= 0)


def _area(right: np.ndarray, positives: int) -> float:
    """The area under the curve of detections that are right or wrong, the highest score first."""
    found = right.cumsum()
    precision = found / np.arange(1, len(right) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(highest[right].sum() / positives)
