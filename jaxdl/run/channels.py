"""Values of ``--normalize``: the mean and the deviation by which the channels of pixels in [0, 1] are standardised."""

import math
from collections.abc import Sequence

from jaxdl.errors import UserError
from jaxdl.transfer.published import IMAGENET_MEAN, IMAGENET_STD

MOST = 10.0  # of pixels in [0, 1] neither a mean nor a deviation is near it
DATA, WEIGHTS, NONE, IMAGENET = "data", "weights", "none", "imagenet"
CHANNELS = {NONE: ((0.0,), (1.0,)), IMAGENET: (IMAGENET_MEAN, IMAGENET_STD)}


def channels_of(normalize: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """(mean, std) that a value of ``--normalize`` means; None where they are the data's, or the weights'.

    Raises UserError for one that means nothing.
    """
    if normalize in (DATA, WEIGHTS):
        return None
    if normalize in CHANNELS:
        return CHANNELS[normalize]
    try:
        mean, std = (tuple(float(value) for value in values.split(",")) for values in normalize.split("/"))
    except ValueError:
        mean, std = (), ()
    if (
        not len(mean) == len(std) in (1, 3)
        or not all(map(math.isfinite, mean))
        or not all(0 < s < math.inf for s in std)
    ):
        names = ", ".join((WEIGHTS, DATA, *CHANNELS))
        raise UserError(
            f"--normalize must be one of {names}, or MEAN/STD of the channels, as 0.5,0.5,0.5/0.2,0.2,0.2; "
            f"got {normalize!r:.60}."
        )
    if max(map(abs, mean)) > MOST or max(std) > MOST:
        raise UserError(
            f"--normalize {normalize:.60} is of pixels from 0 to 255; here they are in [0, 1]: divide each by 255."
        )
    return mean, std


def in_words(mean: Sequence[float], std: Sequence[float]) -> str:
    """The value that means ``mean`` and ``std``."""
    channels = tuple(mean), tuple(std)
    names = (name for name, known in CHANNELS.items() if known == channels)
    return next(names, None) or "/".join(",".join(map(_shortest, values)) for values in channels)


def _shortest(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
