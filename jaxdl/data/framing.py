"""How a picture of any size gets a network's: stretched, or the shorter side resized and the centre cut out."""

from typing import NamedTuple

from jaxdl.errors import UserError, unknown

INTERPOLATIONS = ("bilinear", "bicubic")
STRETCHED = 0  # as ``resize``


class Framing(NamedTuple):
    """size: pixels a side of the result.

    resize: pixels that the shorter side is brought to, of which the centre is cut out, as by
    ``torchvision.transforms.Resize`` and ``CenterCrop``; ``STRETCHED``: both sides are brought to ``size``.
    interpolation: one of ``INTERPOLATIONS``; both average over what a pixel of a smaller result covers.
    """

    size: int
    resize: int = STRETCHED
    interpolation: str = "bilinear"

    def __str__(self) -> str:
        by = "" if self.interpolation == "bilinear" else f", {self.interpolation}"
        if self.resize == STRETCHED:
            return f"resized to {self.size}x{self.size}{by}"
        return f"shorter side {self.resize}, centre {self.size}x{self.size}{by}"

    def checked(self) -> "Framing":
        """Itself; raises UserError for a negative number, or an interpolation that is none."""
        if self.interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", self.interpolation, INTERPOLATIONS)
        if self.resize < 0:
            raise UserError(f"resize must be a number of pixels, or 0 to stretch pictures, got {self.resize}.")
        return self

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) that a picture of those has before the centre is cut out."""
        return (self.size, self.size) if self.resize == STRETCHED else with_shorter(self.resize, width, height)

    def corner(self, width: int, height: int) -> tuple[int, int]:
        """(left, top) of the part that is kept of a resized picture; negative where that is smaller."""
        return _offset(width, self.size), _offset(height, self.size)


def with_shorter(side: int, width: int, height: int) -> tuple[int, int]:
    """(width, height), or the other way round as they are given, with the shorter side brought to ``side``: as
    ``torchvision.transforms.Resize`` has it."""
    longer = max(int(side * max(width, height) / min(width, height)), 1)
    return (side, longer) if width <= height else (longer, side)


def _offset(length: int, kept: int) -> int:
    """As ``torchvision.transforms.functional.center_crop`` has it, which pads with zeros where ``kept`` is longer."""
    return round((length - kept) / 2) if length >= kept else -((kept - length) // 2)
