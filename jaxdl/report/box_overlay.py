"""Boxes as a page lays them over a picture: elements that a slider of confidence hides, and masks within them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdl import rle
from jaxdl.objects import RLE, Detections, Objects
from jaxdl.report import images
from jaxdl.report.boxes_drawn import ink_on
from jaxdl.report.class_colors import class_colors
from jaxdl.report.detection_errors import CLASSIFICATION, CORRECT, IGNORED, KINDS, LOCALIZATION, PictureErrors

WORDS = dict(
    zip(
        KINDS,
        ("right", "badly placed", "wrong class", "found twice", "invented", "wrong class, badly placed", "not counted"),
        strict=True,
    )
)
MISSED, NOT_COUNTED = "missed", "not counted"
RIGHT, WRONG, IGNORED_BOX, TRUE = "right", "wrong", "ignored", "true"  # how a box is drawn
MOST = 300  # boxes laid over a picture, those of the highest scores
VEIL = 110  # opacity of a mask, of 255
SIDE = 56  # pixels, at most, of the longer side of a mask's layer
MIDDLE = 0.55  # of the picture's width, from which a box is told at its right


@dataclass(frozen=True)
class Laid:
    """A box over a picture.

    style: CSS of its place and colours. name: its class. kind: how it is drawn. words: what it is beside its class.
    score: its confidence; None of a true one. reach: of a true one the highest score of what found or mistook it, -1
    without: above it the object is missed; None of one that does not count. far: whether it is told at its right.
    """

    style: str
    name: str
    kind: str
    words: str
    score: float | None = None
    reach: float | None = None
    far: bool = False

    def shown(self, threshold: float) -> bool:
        """Whether its score reaches the threshold; a true one is always shown."""
        return self.score is None or np.float32(self.score) >= np.float32(threshold)

    def missed(self, threshold: float) -> bool:
        """Whether it is an object that nothing of that score is on."""
        return self.reach is not None and np.float32(self.reach) < np.float32(threshold)


def css(color: Sequence[int]) -> str:
    """``#0072b2``."""
    return "#" + bytes(int(each) for each in color).hex()


def laid_truth(
    objects: Objects, size: tuple[int, int], classes: Sequence[str], found: Detections, errors: PictureErrors
) -> list[Laid]:
    """The objects of a picture of ``size``, the largest below. errors: of all its detections."""
    reach = np.full(len(objects), -1.0)
    on = np.isin(errors.kinds, (CORRECT, LOCALIZATION, CLASSIFICATION))
    np.maximum.at(reach, errors.objects[on], np.asarray(found.scores, np.float64)[errors.rows[on]])
    counts, colors = ~(objects.crowd | objects.difficult), class_colors(len(classes))
    laid = []
    for row in np.argsort(-_areas(objects.boxes), kind="stable")[:MOST]:
        mask = objects.masks[row] if objects.masks else None
        about = {"reach": _rounded(reach[row]) if counts[row] else None, "far": _far(objects.boxes[row], size)}
        words, kind = (MISSED, TRUE) if counts[row] else (NOT_COUNTED, IGNORED_BOX)
        name = objects.classes[row]
        laid.append(Laid(_style(objects.boxes[row], size, colors[name], mask), classes[name], kind, words, **about))
    return laid


def laid_detections(
    found: Detections, size: tuple[int, int], classes: Sequence[str], errors: PictureErrors
) -> list[Laid]:
    """The detections in a picture of ``size``, the most certain on top."""
    colors, laid = class_colors(len(classes)), []
    kinds = np.full(len(found), IGNORED)
    kinds[errors.rows] = errors.kinds
    for row in np.argsort(-found.scores, kind="stable")[:MOST][::-1]:
        kind = {CORRECT: RIGHT, IGNORED: IGNORED_BOX}.get(int(kinds[row]), WRONG)
        mask, name = found.masks[row] if found.masks else None, found.classes[row]
        laid.append(
            Laid(
                _style(found.boxes[row], size, colors[name], mask),
                classes[name],
                kind,
                WORDS[KINDS[kinds[row]]],
                score=_rounded(found.scores[row]),
                far=_far(found.boxes[row], size),
            )
        )
    return laid


def laid_plain(objects: Objects, size: tuple[int, int], classes: Sequence[str]) -> list[Laid]:
    """Objects without anything to say of them but their class."""
    colors, masks = class_colors(len(classes)), objects.masks or [None] * len(objects)
    each = zip(objects.boxes[:MOST], objects.classes, masks, strict=False)
    return [Laid(_style(box, size, colors[name], mask), classes[name], TRUE, "") for box, name, mask in each]


def layer_of(mask: RLE, box: np.ndarray, color: np.ndarray) -> str:
    """A data URI of the part of ``mask`` within ``box``, in pixels: ``color`` there, transparent elsewhere."""
    whole = rle.decode(mask)
    x1, y1 = np.floor(np.clip(box[:2], 0, np.array(whole.shape[::-1]) - 1)).astype(int)
    x2, y2 = np.maximum(np.ceil(box[2:]).astype(int), (x1 + 1, y1 + 1))
    part = whole[y1:y2, x1:x2]
    step = max(-(-max(part.shape) // SIDE), 1)
    layer = np.zeros((*part[::step, ::step].shape, 4), np.uint8)
    layer[part[::step, ::step]] = (*color, VEIL)
    return images.png(layer)


def _style(box: np.ndarray, size: tuple[int, int], color: np.ndarray, mask: RLE | None) -> str:
    """CSS; places in percent of the picture, so that they hold at any width."""
    height, width = size
    shares = np.clip(np.asarray(box, np.float64) / (width, height, width, height), 0, 1) * 100
    x1, y1, x2, y2 = shares
    parts = {"left": x1, "top": y1, "width": x2 - x1, "height": y2 - y1}
    place = "; ".join(f"{name}: {value:.2f}%" for name, value in parts.items())
    layer = f"; background-image: url({layer_of(mask, box, color)})" if mask is not None else ""
    return f"{place}; --color: {css(color)}; --on-color: {css(ink_on(color))}{layer}"


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _far(box: np.ndarray, size: tuple[int, int]) -> bool:
    return bool((box[0] + box[2]) / 2 > MIDDLE * size[1])


def _rounded(score: float) -> float:
    """As a page writes it, which is what its slider compares."""
    return float(f"{score:.6g}")
