"""Files of a dataset for detection: which pictures, in which split, with which objects, and what classes are called."""

from pathlib import Path

import numpy as np

from jaxdl.data.detection import coco, voc, yolo
from jaxdl.data.detection.labelled import Listing
from jaxdl.errors import UserError
from jaxdl.wording import counted, printable

FORMATS = {"PASCAL VOC": voc, "COCO": coco, "YOLO": yolo}  # in this order: COCO's files are often kept beside YOLO's
MOST_NAMED = 5  # classes and pictures in a remark


def listing(root: Path, *, one: bool = False) -> Listing:
    """The pictures of each split with their objects, in the format that the folder is laid out in.

    one: whether a single split will do, to be tested on.

    Opens the pictures' headers, no pixels. Objects with a fault are left out, and named in ``remarks``.
    Raises UserError for a folder of another layout, files that cannot be read, pictures that are not there or are of
    another size than their annotations tell, an object of an unknown class, and where train has no objects.
    """
    if not root.is_dir():
        raise UserError(f"{printable(str(root))} is not a folder.")
    there = [name for name, reader in FORMATS.items() if reader.found(root)]
    if not there:
        raise UserError(
            f"{printable(str(root))} is no dataset with boxes. It must hold JPEGImages/, Annotations/*.xml and "
            "ImageSets/Main/ as PASCAL VOC does, annotations/instances_train2017.json as COCO, or images/train/ and "
            "labels/train/ as YOLO."
        )
    listed = FORMATS[there[0]].read(root, one=one)
    if len(there) > 1:
        listed.remarks.append(f"read as {there[0]} lays it out, not as {' or '.join(there[1:])}")
    counts = sum(np.bincount(each.objects.classes, minlength=len(listed.classes)) for each in listed.splits["train"])
    if not counts.any():
        raise UserError(f"the pictures of train in {printable(str(root))} have no objects: nothing can be learned.")
    if not one and (without := [name for name, count in zip(listed.classes, counts, strict=True) if not count]):
        listed.remarks.append(f"train has no object of {_named(without, 'class', 'classes')}")
    trained = {each.picture for each in listed.splits["train"]}
    for split, pictures in listed.splits.items():
        if (
            not one
            and split != "train"
            and (both := [each.picture.name for each in pictures if each.picture in trained])
        ):
            listed.remarks.append(f"train and {split} share {_named(both, 'picture', 'pictures')}")
    return listed


def _named(names: list[str], one: str, several: str) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"{counted(len(names), one, several)}: {', '.join(map(printable, names[:MOST_NAMED]))}{more}"
