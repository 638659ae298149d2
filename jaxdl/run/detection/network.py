"""Detector built from the flags."""

import flax.linen as nn

from jaxdl import models
from jaxdl.run.detection.config import DetectionConfig, sides_of
from jaxdl.run.network import PRECISIONS

OCTAVE = (1, 2 ** (1 / 3), 2 ** (2 / 3))  # sides of RetinaNet's anchors of a map, as multiples of the first
FIELDS = ("backbone", "min_size", "max_size", "frozen_norms")


def model_of(config: DetectionConfig, *, num_classes: int) -> nn.Module:
    """The network that the flags name, for so many classes beside the background."""
    asked = {name: value for name in FIELDS if (value := getattr(config, name)) is not None}
    if (sides := sides_of(config.anchor_sizes)) is not None:
        octave = OCTAVE if models.DETECTORS[config.model]().anchor_sizes[0][1:] else OCTAVE[:1]
        asked["anchor_sizes"] = tuple(tuple(int(side * factor) for factor in octave) for side in sides)
    return models.create(config.model, num_classes=num_classes + 1, dtype=PRECISIONS[config.precision], **asked)
