"""Segmenter built from the flags."""

from collections.abc import Iterable

import flax.linen as nn

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.run.flags import flag_name
from jaxdl.run.network import PRECISIONS
from jaxdl.run.segmentation.config import SegmentationConfig

FIELDS = ("backbone", "output_stride", "width")


def model_of(config: SegmentationConfig, *, num_classes: int) -> nn.Module:
    """The network that the flags name. Raises UserError for a flag of another network."""
    asked = {name: value for name in FIELDS if (value := getattr(config, name)) is not None}
    check_fields(config.model, asked)
    return models.create(config.model, num_classes=num_classes, dtype=PRECISIONS[config.precision], **asked)


def check_fields(model: str, asked: Iterable[str]) -> None:
    """Raises UserError for a flag of ``FIELDS`` that is not for the network of that name."""
    usual = models.SEGMENTERS[model]() if model in models.SEGMENTERS else None
    for name in asked:
        if not hasattr(usual, name):
            raise UserError(f"{flag_name(name)} is not for {model}: leave it out.")
