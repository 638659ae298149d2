"""Faults of annotations that do not stop a dataset from being read: counted by kind, and the first of each named."""

from collections import Counter
from typing import NamedTuple

from jaxdl.wording import counted

MOST_NAMED = 3  # places in a remark


class Kind(NamedTuple):
    """done: how it was dealt with. one, several: its name."""

    done: str
    one: str
    several: str


NO_NUMBERS = Kind("left out", "box that is not four numbers", "boxes that are not four numbers")
NOT_FINITE = Kind("left out", "box of infinite or no numbers", "boxes of infinite or no numbers")
SWAPPED = Kind("left out", "box with its corners swapped", "boxes with their corners swapped")
NO_AREA = Kind("left out", "box without area", "boxes without area")
OUTSIDE = Kind("left out", "box outside of its picture", "boxes outside of their pictures")
CLIPPED = Kind("clipped", "box at the edge of its picture", "boxes at the edges of their pictures")
UNREADABLE_MASK = Kind("left out", "object whose mask cannot be read", "objects whose masks cannot be read")
BOX_FOR_MASK = Kind("took the box for the mask of", "object without one", "objects without one")
EMPTY_MASK = Kind("kept", "object whose mask covers no pixel", "objects whose masks cover no pixel")
NO_OBJECT = Kind("left out", "annotation that is no object", "annotations that are no objects")
NO_PICTURE = Kind("left out", "annotation of no picture", "annotations of no picture")
NO_BOX = Kind("left out", "line that is neither a box nor an outline", "lines that are neither boxes nor outlines")
ALONE = Kind("left out", "file of labels without a picture", "files of labels without a picture")


class Faults:
    """Counts faults, and remembers where the first of each kind are."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._places: dict[Kind, list[str]] = {}

    def add(self, kind: Kind, place: str) -> None:
        """Counts one. place: the file and the number of the object within it."""
        self._counts[kind] += 1
        places = self._places.setdefault(kind, [])
        if len(places) < MOST_NAMED:
            places.append(place)

    def remarks(self) -> list[str]:
        """A sentence for each kind: ``left out 2 boxes without area: Annotations/a.xml object 3, ...``."""
        found = []
        for kind, count in self._counts.items():
            more = f" and {count - MOST_NAMED:,} more" if count > MOST_NAMED else ""
            named = f"{', '.join(self._places[kind])}{more}"
            found.append(f"{kind.done} {counted(count, kind.one, kind.several)}: {named}")
        return found
