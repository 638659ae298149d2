"""Durations as people write them: ``90s``, ``5m``, ``1h30m``."""

import re

from jaxdl.errors import UserError

UNITS = {"h": 3600, "m": 60, "s": 1}
WRITTEN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(text: str) -> float:
    """The seconds in hours, minutes and seconds, each at most once and in this order. Raises UserError."""
    found = WRITTEN.fullmatch(text)
    if not found or not any(found.groups()):
        raise UserError(f"a time is written as 90s, 5m or 1h30m; got {text!r:.40}.")
    return sum(float(number or 0) * unit for number, unit in zip(found.groups(), UNITS.values(), strict=True))
