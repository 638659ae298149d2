"""Links, and second names, by which one picture would be in two classes of a dataset, or in both its splits."""

import os
from collections.abc import Mapping
from pathlib import Path

from jaxdl.data.picture_files import Found, Place
from jaxdl.errors import UserError
from jaxdl.wording import counted, printable

Folders = Mapping[str, Found]  # what is in each class's folder, by its name


def refuse_of_two(folder: Path, classes: Folders) -> None:
    """Raises UserError where links lead from one class's folder into another's."""
    _refuse(folder, classes, "of two classes")


def refuse_in_both(root: Path, splits: Mapping[str, Folders]) -> None:
    """Raises UserError where links lead from a folder of one split into the other: it would be tested on training
    pictures. splits: by the name of their folder."""
    below = {os.path.join(split, name): found for split, classes in splits.items() for name, found in classes.items()}
    _refuse(root, below, "in both splits")


def of_pictures(splits: Mapping[str, Folders]) -> list[str]:
    """Sentences on single pictures that are in both splits, or in two classes, by a link or by a second name."""
    first: dict[Place, tuple[str, str, str]] = {}
    found: dict[str, list[str]] = {"in both splits": [], "of two classes": []}
    for split, classes in splits.items():
        for name, each in classes.items():
            for place, path in each.files.items():
                here = os.path.join(split, name, path)
                before = first.setdefault(place, (split, name, here))
                kind = "in both splits" if before[0] != split else "of two classes" if before[1] != name else None
                if kind:
                    found[kind].append(f"{printable(before[2])} is {printable(here)}")
    return [
        f"{counted(len(pairs), 'picture')} {kind}, by a link: {pairs[0]}{', and so on' if len(pairs) > 1 else ''}"
        for kind, pairs in found.items()
        if pairs
    ]


def _refuse(folder: Path, found: Folders, kind: str) -> None:
    owners: dict[Place, str] = {}
    for name, each in found.items():
        for place, below in each.folders.items():
            owner = owners.setdefault(place, name)
            if owner != name:
                ways = [found[owner].folders[place], below]
                shown = (printable(str(folder / name / way)) for name, way in zip((owner, name), ways, strict=True))
                raise UserError(
                    f"{' and '.join(shown)} are one folder, by a link: its pictures would be {kind}. Remove the link."
                )
