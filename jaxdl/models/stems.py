"""Choices of a family's first layers: for photographs of some 224 pixels, or for images of 32."""

from jaxdl.errors import unknown

STEMS = ("cifar", "imagenet")


def is_cifar(stem: str) -> bool:
    """Whether ``stem`` is the one for images of 32 pixels. Raises UserError for one that is not in ``STEMS``."""
    if stem not in STEMS:
        raise unknown("stem", stem, STEMS)
    return stem == "cifar"
