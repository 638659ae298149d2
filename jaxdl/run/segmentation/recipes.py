"""Named recipes of segmentation, ``--recipe NAME``. What they cost and reach is in ``experiments/camvid.py``."""

from collections.abc import Mapping
from types import MappingProxyType

from jaxdl.run.segmentation.config import SegmentationConfig

# For two CPU cores and some hundred pictures: about a quarter of an hour.
SMALL = SegmentationConfig(
    recipe="small",
    model="lraspp",
    backbone="mobilenet_v2",
    output_stride=16,
    epochs=30,
    batch_size=8,
    crop_size="240x320",
    optimizer="adamw",
    lr=2e-3,
    weight_decay=1e-2,
    schedule="cosine",
    warmup_epochs=1.0,
)

RECIPES: Mapping[str, SegmentationConfig] = MappingProxyType({each.recipe: each for each in (SMALL,)})
