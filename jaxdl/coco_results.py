"""Detections and objects as COCO's files have them: JSON that pycocotools reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from jaxdl.errors import UserError
from jaxdl.objects import RLE, Detections, Objects


def to_json(
    found: Sequence[Detections],
    *,
    image_ids: Sequence[int],
    category_ids: Sequence[int],
    of: Literal["boxes", "masks"] | None = None,
) -> list[dict[str, Any]]:
    """COCO's results of all pictures, of which ``json.dump`` makes a file for ``COCO.loadRes``.

    image_ids: of each picture; category_ids: of each class. Every entry has ``image_id``, ``category_id``, ``score``,
    ``bbox`` (x, y, width, height in pixels) and, of a detector of masks, ``segmentation``. Numbers are those of the
    float32 exactly, as are right and lower edges. of: leaves out what is not of ``boxes`` or ``masks``; pycocotools
    takes masks for small and large by their own area only in a file without boxes. ``loadRes`` fails on an empty list.
    Raises UserError for numbers of pictures that differ, a class without number, and masks that are missing.
    """
    if of not in (None, "boxes", "masks"):
        raise UserError(f"of must be boxes, masks or None, got {of!r}.")
    results = []
    for row, each, image_id in _numbered("found", found, image_ids, len(category_ids)):
        columns: dict[str, Sequence] = {"score": np.asarray(each.scores).tolist()}
        if of != "masks":
            columns["bbox"] = _xywh(each.boxes)
        elif each.masks is None and len(each):
            raise UserError(f"found must have masks where of is masks, picture {row} has none.")
        if of != "boxes" and each.masks is not None:
            columns["segmentation"] = [_text(mask) for mask in each.masks]
        results += _entries(image_id, each.classes, category_ids, columns)
    return results


def truth_to_json(
    truth: Sequence[Objects],
    *,
    image_ids: Sequence[int],
    category_ids: Sequence[int],
    classes: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    names: Sequence[str],
) -> dict[str, Any]:
    """COCO's annotations of all pictures, of which ``json.dump`` makes a file for ``COCO``.

    sizes: (height, width) of each picture; names: of their files; numbers as of ``to_json``. Difficult objects have
    ``ignore``, as converters of VOC write it and pycocotools overlooks it. Raises UserError as ``to_json`` does.
    """
    for name, entries, expected in (
        ("classes", classes, len(category_ids)),
        ("sizes", sizes, len(truth)),
        ("names", names, len(truth)),
    ):
        if len(entries) != expected:
            raise UserError(f"{name} must have {expected} entries, got {len(entries)}.")
    annotations = []
    for _, each, image_id in _numbered("truth", truth, image_ids, len(category_ids)):
        columns: dict[str, Sequence] = {
            "bbox": _xywh(each.boxes),
            "area": np.asarray(each.areas).tolist(),
            "iscrowd": np.asarray(each.crowd, np.int64).tolist(),
            "ignore": np.asarray(each.difficult, np.int64).tolist(),
        }
        if each.masks is not None:
            columns["segmentation"] = [_text(mask) for mask in each.masks]
        annotations += _entries(image_id, each.classes, category_ids, columns)
    pictures = zip(image_ids, names, sizes, strict=True)
    return {
        "images": [
            {"id": int(number), "file_name": str(name), "height": int(height), "width": int(width)}
            for number, name, (height, width) in pictures
        ],
        "categories": [{"id": int(number), "name": name} for number, name in zip(category_ids, classes, strict=True)],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations, 1)],  # 0 is no match
    }


def _numbered(
    argument: str, pictures: Sequence, image_ids: Sequence[int], classes: int
) -> Iterator[tuple[int, Any, int]]:
    """Rows, pictures and their numbers, once they are checked."""
    if len(image_ids) != len(pictures):
        raise UserError(f"image_ids must number {len(pictures)} pictures of {argument}, got {len(image_ids)}.")
    for row, (each, image_id) in enumerate(zip(pictures, image_ids, strict=True)):
        if len(each) and not 0 <= each.classes.min() <= each.classes.max() < classes:
            raise UserError(
                f"category_ids must number every class, got {classes}, and in picture {row} of {argument} "
                f"the classes {each.classes.tolist()}."
            )
        yield row, each, int(image_id)


def _entries(
    image_id: int, classes: np.ndarray, category_ids: Sequence[int], columns: dict[str, Sequence]
) -> Iterator[dict[str, Any]]:
    for number, *values in zip(classes, *columns.values(), strict=True):
        entry = dict(zip(columns, values, strict=True))
        yield {"image_id": image_id, "category_id": int(category_ids[number]), **entry}


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    """In double precision, in which x and width add up to the right edge exactly."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()


def _text(mask: RLE) -> dict[str, Any]:
    counts = mask["counts"]
    return {
        "size": [int(each) for each in mask["size"]],
        "counts": counts if isinstance(counts, str) else counts.decode(),
    }
