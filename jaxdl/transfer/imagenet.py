"""The thousand classes of ImageNet's challenge, in the order of every published classifier's logits."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_suffix(".tsv")


class ImageNetClass(NamedTuple):
    """synset: the WordNet id that names its folder in ImageNet, ``n02123045``. name: torchvision's, ``tabby``."""

    synset: str
    name: str


@functools.cache
def classes() -> tuple[ImageNetClass, ...]:
    """All, by the index of their logit."""
    return tuple(ImageNetClass(*line.split("\t")) for line in FILE.read_text(encoding="utf-8").splitlines())


def other_names(names: Sequence[str]) -> dict[str, str]:
    """Of ImageNet's classes, each by its synset, its index, and its name with ``_`` for spaces; of others nothing."""
    known = classes()
    if list(names) != [each.name for each in known]:
        return {}
    spelled = {each.name.replace(" ", "_"): each.name for each in known}
    numbered = {str(index): each.name for index, each in enumerate(known)}
    return spelled | numbered | {each.synset: each.name for each in known}
