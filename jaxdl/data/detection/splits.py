"""Splits of a dataset by the names of its folders or files: which one is trained, validated and tested on."""

import re
from collections.abc import Mapping
from pathlib import Path

from jaxdl.data.folder import TESTED
from jaxdl.errors import UserError
from jaxdl.wording import printable

NAMES = ("train", *TESTED)
YEAR = re.compile(rf"({'|'.join(NAMES)})(?:[0-9]{{4}})?")  # train2017


def name_of(name: str) -> str | None:
    """Name of a split, one of ``NAMES``, that ``name`` is with a year or without; None if it is none."""
    found = YEAR.fullmatch(name)
    return found[1] if found else None


def assigned(root: Path, there: Mapping[str, str], *, one: bool = False) -> tuple[dict[str, str], list[str]]:
    """Splits ``train``, ``test`` perhaps ``val`` -> a name of ``there``, and remarks. there: name -> how it is told.
    one: whether one of them is enough, to be tested on alone; it is then both.

    ``test`` is tested on and another validates; without it the first of the others is tested on.
    Raises UserError where there is nothing to train or nothing to test on.
    """
    if one and len(there) == 1:
        return dict.fromkeys(("train", "test"), *there), []
    tests = [name for name in TESTED if name in there]
    if "train" not in there or not tests:
        lacking = "train" if "train" not in there else "test (or val)"
        found = f" There is {', '.join(map(printable, there.values()))}." if there else ""
        raise UserError(f"{printable(str(root))} has no split {lacking}: both that and the other are needed.{found}")
    named = {"train": "train", "test": tests[0]}
    remarks = []
    if tests[0] == "test" and len(tests) > 1:
        named["val"] = tests[1]
    elif tests[0] != "test":
        remarks.append(f"there is no test split: the test split is {printable(there[tests[0]])}")
    if unused := [printable(there[name]) for name in tests if name not in named.values()]:
        remarks.append(f"not read: {', '.join(unused)}")
    return named, remarks
