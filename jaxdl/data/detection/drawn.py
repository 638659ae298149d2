"""Objects as files draw them, checked against their picture."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxdl import rle
from jaxdl.data.detection import faults as kinds
from jaxdl.data.detection.faults import Faults, Kind
from jaxdl.errors import UserError
from jaxdl.objects import RLE, Objects
from jaxdl.wording import shown

LEAST_SIDE = 0.01  # pixels, below which a box has no area; float32 tells as much apart in the largest picture

Box = tuple[float, float, float, float]
NO_NUMBERS = ()  # a box that is there but is not four numbers


class Drawn(NamedTuple):
    """An object as it is written. place: the file, and the number of the object within it.

    box: (x1, y1, x2, y2) in pixels; NO_NUMBERS; None: that around its mask. label: its class, from 0.
    area: in pixels; None where it is to be measured. mask: COCO's ``segmentation``: polygons, or size and counts.
    """

    place: str
    box: Box | tuple[()] | None
    label: int
    crowd: bool = False
    difficult: bool = False
    area: float | None = None
    mask: Any = None


def four(values: Any) -> Box | tuple[()]:
    """Four numbers, or NO_NUMBERS for anything else; a number that no float holds is infinite."""
    if not isinstance(values, list | tuple) or len(values) != 4:
        return NO_NUMBERS
    found = [number(value) for value in values]
    return NO_NUMBERS if None in found else tuple(found)


def number(value: Any) -> float | None:
    """``value`` as a float, infinite if none holds it; None for text, truth values and all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def objects_of(drawn: Sequence[Drawn], size: tuple[int, int], faults: Faults, *, masks: bool) -> Objects:
    """Objects of a picture of ``size``, (height, width): those without a fault, boxes within the picture.

    masks: whether those of this dataset have masks; one that has none is its box. Others, and what is done to them,
    go to ``faults``.
    """
    kept: list[Drawn] = []
    codes: list[RLE] = []
    for each in drawn:
        code = None
        if each.mask is not None and masks:
            try:
                code = _code(each.mask, size)
            except UserError as error:
                faults.add(kinds.UNREADABLE_MASK, _told(each, error))
                continue
        box = each.box
        if box is None:
            box = rle.box(code) if code else NO_NUMBERS
        fault, box = _within(box, size)
        if fault:
            faults.add(fault, each.place)
        if fault not in (None, kinds.CLIPPED):
            continue
        if masks:
            if code is None:
                try:
                    code = rle.from_polygons([_corners(box)], height=size[0], width=size[1])
                except UserError as error:
                    faults.add(kinds.UNREADABLE_MASK, _told(each, error))
                    continue
                faults.add(kinds.BOX_FOR_MASK, each.place)
            if rle.empty(code):
                faults.add(kinds.EMPTY_MASK, each.place)
            codes.append(code)
        area = each.area
        if area is None or not 0 < area < math.inf:
            area = float(rle.area(code)) if masks else (box[2] - box[0]) * (box[3] - box[1])
        kept.append(each._replace(box=box, area=area))
    return Objects(
        boxes=np.array([each.box for each in kept], np.float32).reshape(-1, 4),
        classes=np.array([each.label for each in kept], np.int32),
        crowd=np.array([each.crowd for each in kept], bool),
        difficult=np.array([each.difficult for each in kept], bool),
        areas=np.array([min(each.area, size[0] * size[1]) for each in kept], np.float32),
        masks=tuple(codes) if masks else None,
    )


def _within(box: Box | tuple[()], size: tuple[int, int]) -> tuple[Kind | None, Box]:
    """The fault of a box, and the part of the box that is in a picture of ``size``."""
    if not box:
        return kinds.NO_NUMBERS, (0.0, 0.0, 0.0, 0.0)
    if not all(map(math.isfinite, box)):
        return kinds.NOT_FINITE, box
    left, top, right, bottom = box
    if right < left or bottom < top:
        return kinds.SWAPPED, box
    if min(right - left, bottom - top) < LEAST_SIDE:
        return kinds.NO_AREA, box
    height, width = size
    inner = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    if min(inner[2] - inner[0], inner[3] - inner[1]) < LEAST_SIDE:
        return kinds.OUTSIDE, box
    clipped = max(abs(now - before) for now, before in zip(inner, box, strict=True)) > LEAST_SIDE
    return kinds.CLIPPED if clipped else None, inner


def _told(drawn: Drawn, error: UserError) -> str:
    return f"{drawn.place} ({str(error).rstrip('.')})"


def _corners(box: Box) -> list[float]:
    left, top, right, bottom = box
    return [left, top, right, top, right, bottom, left, bottom]


def _code(mask: Any, size: tuple[int, int]) -> RLE:
    height, width = size
    if not isinstance(mask, dict):
        return rle.from_polygons(mask, height=height, width=width)
    if mask.get("size") != [height, width]:
        raise UserError(f"its size is {shown(mask.get('size'), 40)}, its picture's [{height}, {width}]")
    return rle.from_counts(mask.get("counts"), height=height, width=width)
