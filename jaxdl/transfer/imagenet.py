"""The thousand classes of ImageNet's challenge, in the order of every published classifier's logits."""

import functools
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
