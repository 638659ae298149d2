"""COCO's average precision and recall of detections: pycocotools' own, in memory and in silence."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

import numpy as np

from jaxdl.errors import UserError
from jaxdl.objects import Detections, Objects

RECALLS = np.linspace(0, 1, 101)  # at which precision is read from a curve
EVERY, SMALL, MEDIUM, LARGE = range(4)  # pycocotools' ranges of area: all, below 32^2, up to 96^2, above
FEW, SOME, MOST = range(3)  # pycocotools' numbers of detections in a picture: 1, 10 and the most that count
AP50, AP75 = 0, 5  # places among pycocotools' thresholds of IoU, 0.5 to 0.95


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's twelve figures in [0, 1], NaN where there is nothing to measure, and figures by name of class.

    ap: mean over classes and over IoU of 0.5 to 0.95; ap50, ap75: at one IoU. ar1, ar10, ar100: the recall of at most
    so many detections in a picture, ar100 of the most that count; its mean over the same. small: objects of at most
    32^2 pixels; large: of at least 96^2. by_class, ap50_by_class: of each class with an object that counts.
    curves: of each of them float64[101], the precision at ``RECALLS`` at an IoU of 0.5, monotone.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    by_class: dict[str, float]
    ap50_by_class: dict[str, float]
    curves: dict[str, np.ndarray]

    @property
    def figures(self) -> dict[str, float]:
        """The twelve, by name, in COCO's order."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)[:12]}


def evaluate(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    *,
    classes: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    of: Literal["boxes", "masks"] = "boxes",
    most: int = 100,
) -> AveragePrecision:
    """COCO's figures of the detections in each picture, as ``COCOeval`` has them of files written by ``coco_results``.

    sizes: (height, width) of each picture. most: detections of a class that count in a picture, those of the highest
    score. Where scores are tied, the earlier picture comes first: in files, that of the lower number. Crowds are
    ignored; difficult objects are not, as COCO knows none. An unmatched detection is small or large by the area of its
    box, of masks by that of its mask: pycocotools' if results have no boxes beside masks, as torchvision and detectron2
    write them. Raises UserError for numbers of pictures that differ, an unknown class, and masks that are missing or
    of another size than their picture.
    """
    if of not in ("boxes", "masks"):
        raise UserError(f"of must be boxes or masks, got {of!r}.")
    if most < 1:
        raise UserError(f"most must be at least 1, got {most}.")
    for name, entries in (("found", found), ("sizes", sizes)):
        if len(entries) != len(truth):
            raise UserError(f"{name} must have an entry for each of {len(truth)} pictures, got {len(entries)}.")
    for name, pictures in (("truth", truth), ("found", found)):
        _check(name, pictures, len(classes), sizes if of == "masks" else None)

    from pycocotools.cocoeval import COCOeval

    pictures = [{"id": row, "height": height, "width": width} for row, (height, width) in enumerate(sizes)]
    categories = [{"id": number, "name": name} for number, name in enumerate(classes)]
    evaluation = COCOeval(
        _coco(pictures, categories, _annotations(truth, masks=of == "masks")),
        _coco(pictures, categories, _annotations(found, masks=of == "masks")),
        "bbox" if of == "boxes" else "segm",
    )
    evaluation.params.maxDets = [1, min(10, most), most]
    _quiet(COCOeval.evaluate)(evaluation)
    _quiet(COCOeval.accumulate)(evaluation)
    return _figures(evaluation.eval["precision"], evaluation.eval["recall"], classes)


def _check(name: str, pictures: Sequence, classes: int, sizes: Sequence[tuple[int, int]] | None) -> None:
    for row, each in enumerate(pictures):
        if not len(each):
            continue
        if not 0 <= each.classes.min() <= each.classes.max() < classes:
            raise UserError(f"{name} must have classes below {classes}, picture {row} has {each.classes.tolist()}.")
        if sizes is None:
            continue
        if each.masks is None:
            raise UserError(f"{name} must have masks where of is masks, picture {row} has none.")
        for mask in each.masks:
            if tuple(mask["size"]) != tuple(sizes[row]):
                raise UserError(
                    f"{name} must have masks of its pictures' sizes, of picture {row} {tuple(sizes[row])}, "
                    f"got {tuple(mask['size'])}."
                )


def _annotations(pictures: Sequence[Objects] | Sequence[Detections], *, masks: bool) -> list[dict[str, Any]]:
    """COCO's annotations, numbered from 1, as pycocotools takes 0 for unmatched; in double precision, as it counts."""
    annotations = []
    for row, each in enumerate(pictures):
        boxes = np.asarray(each.boxes, np.float64).reshape(-1, 4)
        boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        if isinstance(each, Objects):
            own = {"area": each.areas, "iscrowd": np.asarray(each.crowd, np.int64)}
        else:
            areas = _areas_of_masks(each) if masks else boxes[:, 2] * boxes[:, 3]
            own = {"score": each.scores, "area": areas, "iscrowd": np.zeros(len(each), np.int64)}
        columns = {"bbox": boxes, "category_id": each.classes, **own}
        columns = {name: np.asarray(column).tolist() for name, column in columns.items()}
        if masks:
            columns["segmentation"] = each.masks or ()
        for values in zip(*columns.values(), strict=True):
            entry = dict(zip(columns, values, strict=True))
            annotations.append({"id": len(annotations) + 1, "image_id": row, **entry})
    return annotations


def _areas_of_masks(found: Detections) -> np.ndarray:
    from pycocotools import mask

    return mask.area(list(found.masks or ()))


def _coco(pictures: list, categories: list, annotations: list) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {"images": pictures, "categories": categories, "annotations": annotations}
    _quiet(COCO.createIndex)(coco)
    return coco


def _quiet(method: Callable) -> Callable:
    """The function with a ``print`` of its own that prints nothing: stdout is that of every thread."""
    names = {**method.__globals__, "print": lambda *said: None}
    return FunctionType(method.__code__, names, method.__name__, method.__defaults__, method.__closure__)


def _figures(precision: np.ndarray, recall: np.ndarray, classes: Sequence[str]) -> AveragePrecision:
    """precision: float64[IoU, recall, class, area, most]; recall: the same without recall; -1 without objects."""
    curves = precision[:, :, :, EVERY, MOST]
    occurring = [(number, name) for number, name in enumerate(classes) if (curves[:, :, number] > -1).any()]
    return AveragePrecision(
        ap=_mean(curves),
        ap50=_mean(curves[AP50]),
        ap75=_mean(curves[AP75]),
        ap_small=_mean(precision[:, :, :, SMALL, MOST]),
        ap_medium=_mean(precision[:, :, :, MEDIUM, MOST]),
        ap_large=_mean(precision[:, :, :, LARGE, MOST]),
        ar1=_mean(recall[:, :, EVERY, FEW]),
        ar10=_mean(recall[:, :, EVERY, SOME]),
        ar100=_mean(recall[:, :, EVERY, MOST]),
        ar_small=_mean(recall[:, :, SMALL, MOST]),
        ar_medium=_mean(recall[:, :, MEDIUM, MOST]),
        ar_large=_mean(recall[:, :, LARGE, MOST]),
        by_class={name: _mean(curves[:, :, number]) for number, name in occurring},
        ap50_by_class={name: _mean(curves[AP50, :, number]) for number, name in occurring},
        curves={name: curves[AP50, :, number].copy() for number, name in occurring},
    )


def _mean(values: np.ndarray) -> float:
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else float("nan")
