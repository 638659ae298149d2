"""Mistakes of a detector: which boxes are wrong and how, which objects it missed, and how many at each confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from jaxdl.objects import Detections, Objects
from jaxdl.voc_precision import box_iou, check

KINDS = ("correct", "localization", "classification", "duplicate", "background", "both", "ignored")
CORRECT, LOCALIZATION, CLASSIFICATION, DUPLICATE, BACKGROUND, BOTH, IGNORED = range(len(KINDS))
FOREGROUND, NEAR = 0.5, 0.1  # IoU from which a box is on an object, and from which it is of something
THRESHOLDS = np.arange(101) / 100  # of confidence


class PictureErrors(NamedTuple):
    """Detections and objects of one picture, of detections those whose score reaches the threshold.

    rows: int64[K], their rows among all detections of the picture. kinds: int64[K], of ``KINDS``. objects: int64[K],
    the object that each found, was badly on, mistook, or found again; -1 of background, both and ignored ones.
    found: int64[M], the row of the detection that found each object, or -1. missed: bool[M], objects that nothing found
    or mistook or was badly on.
    """

    rows: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray
    found: np.ndarray
    missed: np.ndarray


@dataclass(frozen=True)
class DetectionErrors:
    """Mistakes in every picture at one threshold of confidence.

    confusion: int64[C + 1, C + 1], rows are true classes, columns predicted ones, of both the last is nothing: an
    object without detection, a detection without object. Each object that counts is in one cell, and so is each
    detection that is not ignored; a detection of another class stands against an object only if neither has its own.
    """

    classes: tuple[str, ...]
    threshold: float
    pictures: tuple[PictureErrors, ...]
    confusion: np.ndarray

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many detections of each of ``KINDS``, and how many objects were ``missed``."""
        none = np.zeros(len(KINDS), np.int64)
        kinds = sum((np.bincount(each.kinds, minlength=len(KINDS)) for each in self.pictures), none)
        missed = sum(int(each.missed.sum()) for each in self.pictures)
        return {**dict(zip(KINDS, map(int, kinds), strict=True)), "missed": missed}


@dataclass(frozen=True)
class ThresholdCurves:
    """Boxes found, invented and missed by threshold of confidence, of each class.

    thresholds: float64[T]. positives: int64[C], objects that count. true_positives, false_positives: int64[C, T],
    detections of at least that score that found an object, and others that are not ignored.
    """

    thresholds: np.ndarray
    positives: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def false_negatives(self) -> np.ndarray:
        """int64[C, T]: objects that no detection of at least that score found."""
        return self.positives[:, None] - self.true_positives

    @property
    def recall(self) -> np.ndarray:
        """float64[C, T]; NaN of a class without objects."""
        return _share(self.true_positives, np.broadcast_to(self.positives[:, None], self.true_positives.shape))

    @property
    def precision(self) -> np.ndarray:
        """float64[C, T]; NaN where nothing is detected."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def f1(self) -> np.ndarray:
        """float64[C, T], the harmonic mean of both; NaN of a class without objects, 0 where nothing is detected."""
        every = self.true_positives * 2 + self.false_positives + self.false_negatives
        return np.where(self.positives[:, None] > 0, _share(2 * self.true_positives, every), np.nan)

    @property
    def best(self) -> np.ndarray:
        """float64[C]: the lowest threshold with the highest F1; NaN of a class of which nothing is found."""
        scores = np.nan_to_num(self.f1)
        return np.where(scores.max(1, initial=0) > 0, self.thresholds[scores.argmax(1)], np.nan)

    @property
    def together(self) -> "ThresholdCurves":
        """Of all classes as of one: the sums of their counts, in arrays of one row."""
        sums = (each.sum(0, keepdims=True) for each in (self.positives, self.true_positives, self.false_positives))
        return ThresholdCurves(self.thresholds, *sums)


def errors_of(
    truth: Sequence[Objects], found: Sequence[Detections], *, classes: Sequence[str], threshold: float = 0.5
) -> DetectionErrors:
    """Mistakes among the detections of a score of ``threshold`` or more, of the kinds of TIDE (Bolya et al. 2020).

    Detections of a picture, the highest score first, each take the free object of their class of the largest IoU, if it
    is 0.5 or more: ``correct``. Those left over on a crowd or a difficult object of their class are ``ignored``. The
    others, in this order: ``localization``, the largest IoU with an object of their class is of 0.1 to 0.5;
    ``classification``, of 0.5 or more with one of another; ``duplicate``, of 0.5 or more with one that is taken;
    ``background``, below 0.1 with any; ``both``, badly on an object of another class. An object is ``missed`` that is
    neither taken, nor that of a localization or classification error. Crowds and difficult objects are none of these.
    Raises UserError for numbers of pictures that differ and an unknown class.
    """
    check(truth, found, len(classes))
    nothing, pictures = len(classes), []
    confusion = np.zeros((nothing + 1, nothing + 1), np.int64)
    for objects, detections in zip(truth, found, strict=True):
        picture, pairs = _errors(objects, detections, np.float32(threshold), nothing)
        pictures.append(picture)
        np.add.at(confusion, pairs, 1)
    return DetectionErrors(tuple(classes), float(threshold), tuple(pictures), confusion)


def curves_of(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    *,
    classes: Sequence[str],
    thresholds: np.ndarray = THRESHOLDS,
) -> ThresholdCurves:
    """Boxes found, invented and missed at each of ``thresholds``, ascending; matched and raising as ``errors_of``."""
    check(truth, found, len(classes))
    thresholds = np.asarray(thresholds, np.float64)
    positives = np.zeros(len(classes), np.int64)
    reached = np.zeros((2, len(classes), len(thresholds) + 1), np.int64)  # by thresholds that a score reaches
    for objects, detections in zip(truth, found, strict=True):
        positives += np.bincount(objects.classes[~(objects.crowd | objects.difficult)], minlength=len(classes))
        taken, ignored, _ = _matched(objects, detections)
        number = np.searchsorted(thresholds.astype(np.float32), detections.scores, side="right")
        counted = ~ignored
        np.add.at(reached, ((taken < 0)[counted].astype(int), detections.classes[counted], number[counted]), 1)
    least = reached[..., ::-1].cumsum(-1)[..., ::-1][..., 1:]
    return ThresholdCurves(thresholds, positives, least[0], least[1])


def _matched(objects: Objects, detections: Detections) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The object that each detection takes or -1, whether it is ignored, and float64[K, M] IoU with what counts.

    A detection takes no object away from one of a higher score, so that those are matched at any threshold as here.
    """
    counts = ~(objects.crowd | objects.difficult)
    overlaps = box_iou(detections.boxes, objects.boxes, crowd=objects.crowd)
    same = detections.classes[:, None] == objects.classes[None, :]
    taken = np.full(len(detections), -1)
    free = np.where(same & counts, overlaps, -1)
    candidates = np.flatnonzero(free.max(1, initial=-1) >= FOREGROUND)
    for row in candidates[np.argsort(-detections.scores[candidates], kind="stable")]:
        best = free[row].argmax()
        if free[row, best] >= FOREGROUND:
            taken[row] = best
            free[:, best] = -1
    ignored = (taken < 0) & (np.where(same & ~counts, overlaps, -1).max(1, initial=-1) >= FOREGROUND)
    return taken, ignored, np.where(counts, overlaps, -1)


def _errors(
    objects: Objects, detections: Detections, threshold: np.float32, nothing: int
) -> tuple[PictureErrors, tuple[np.ndarray, np.ndarray]]:
    """Mistakes of one picture, and the true and predicted classes of its cells of the confusion matrix."""
    rows = np.flatnonzero(detections.scores >= threshold)
    kept = Detections(detections.boxes[rows], detections.classes[rows], detections.scores[rows])
    taken, ignored, overlaps = _matched(objects, kept)
    same = kept.classes[:, None] == objects.classes[None, :]
    kinds, about = np.where(taken >= 0, CORRECT, IGNORED), taken.copy()
    left = np.flatnonzero((taken < 0) & ~ignored)
    own, other = (np.where(each, overlaps, -1)[left] for each in (same, ~same))
    most, most_other = own.max(1, initial=-1), other.max(1, initial=-1)
    cases = [(most >= NEAR) & (most < FOREGROUND), most_other >= FOREGROUND, most >= FOREGROUND, most_other < NEAR]
    kinds[left] = np.select(cases, [LOCALIZATION, CLASSIFICATION, DUPLICATE, BACKGROUND], BOTH)
    if len(objects):
        best, best_other = own.argmax(1), other.argmax(1)
        about[left] = np.select(cases, [best, best_other, best, np.full(len(left), -1)], -1)
    found = np.full(len(objects), -1)
    found[taken[taken >= 0]] = rows[taken >= 0]
    missed = (found < 0) & ~(objects.crowd | objects.difficult)
    pairs = _pairs(objects, kept, taken, other, left, missed, nothing)
    missed[about[(kinds == LOCALIZATION) | (kinds == CLASSIFICATION)]] = False
    return PictureErrors(rows, kinds, about, found, missed), pairs


def _pairs(
    objects: Objects,
    kept: Detections,
    taken: np.ndarray,
    other: np.ndarray,
    left: np.ndarray,
    unfound: np.ndarray,
    nothing: int,
) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted classes; those left over are matched in turn, with objects of another class nothing found."""
    true, predicted = [*objects.classes[taken[taken >= 0]]], [*kept.classes[taken >= 0]]
    unfound = unfound.copy()
    for row in np.argsort(-kept.scores[left], kind="stable"):
        free = np.where(unfound, other[row], -1)
        hit = free.max(initial=-1) >= FOREGROUND
        true.append(objects.classes[free.argmax()] if hit else nothing)
        predicted.append(kept.classes[left[row]])
        if hit:
            unfound[free.argmax()] = False
    true += [*objects.classes[unfound]]
    return np.array(true, int), np.array(predicted + [nothing] * int(unfound.sum()), int)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
