"""Pictures and objects that a detector was not trained on, numbered by its classes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxdl.data.dataset import Split
from jaxdl.data.detection import box_folder
from jaxdl.data.detection.padded import PaddedObjects
from jaxdl.errors import UserError
from jaxdl.wording import printable

NAMED = 3  # classes in an error


def split_of(root: Path, classes: Sequence[str]) -> tuple[Split, tuple[str, ...]]:
    """The test split of the dataset in ``root``, or its only one, with the numbers of ``classes``, and remarks.

    Raises UserError for a folder that cannot be read, an object of another class, and pictures without any object.
    """
    dataset = box_folder.load(root, progress=True, one=True)
    split = dataset.test
    labels = split.labels
    there = np.bincount(np.concatenate([each.classes for each in labels.objects]), minlength=len(dataset.classes))
    if not there.any():
        raise UserError(f"the pictures of {printable(str(root))} have no object: there is nothing to measure.")
    foreign = [name for name, count in zip(dataset.classes, there, strict=True) if count and name not in classes]
    if foreign:
        raise UserError(
            f"the pictures of {printable(str(root))} have objects of other classes ({_some(foreign)}) than the network "
            f"has ({_some(classes)})."
        )
    return Split(split.images, _renumbered(labels, dataset.classes, classes), split.names, split.sizes), dataset.remarks


def _renumbered(labels: PaddedObjects, named: Sequence[str], classes: Sequence[str]) -> PaddedObjects:
    """``labels`` of the classes ``named`` as of ``classes``; those that the data does not know get further numbers."""
    numbers = np.array([classes.index(name) if name in classes else -1 for name in named], np.int32)
    known = dict(zip(named, labels.category_ids, strict=True))
    free = max((each for each in labels.category_ids if isinstance(each, int)), default=0)
    further = {name: free + place for place, name in enumerate((n for n in classes if n not in known), 1)}
    return replace(
        labels,
        objects=tuple(replace(each, classes=numbers[each.classes]) for each in labels.objects),
        category_ids=tuple((known | further)[name] for name in classes),
    )


def _some(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - NAMED} more" if len(classes) > NAMED else ""
    return ", ".join(map(printable, classes[:NAMED])) + more
