"""Named recipes of segmentation, ``--recipe NAME``. What they cost and reach is in ``experiments/camvid.py``."""

from collections.abc import Mapping
from types import MappingProxyType

from jaxdl.run.segmentation.config import SegmentationConfig

# For two CPU cores and some hundred pictures: about a quarter of an hour.
SMALL = SegmentationConfig(
    recipe="small",
    model="lraspp",
    backbone="mobilenet_v2",
    output_stride=32,
    epochs=20,
    batch_size=8,
    crop_size="192x256",
    optimizer="adamw",
    lr=2e-3,
    weight_decay=1e-2,
    schedule="cosine",
    warmup_epochs=1.0,
)

# torchvision's reference for PASCAL VOC, its published weights' own: a GPU's work. Its rate falls as (1 - t) ** 0.9,
# which is nearly linear, and that of the auxiliary classifier is not ten times the others'.
TORCHVISION = SegmentationConfig(
    recipe="torchvision",
    model="deeplabv3_resnet50",
    epochs=30,
    batch_size=32,
    crop_size="480",
    optimizer="sgd",
    lr=0.02,
    momentum=0.9,
    nesterov=False,
    schedule="linear",
    l2=1e-4,
    decay_biases=True,
)

RECIPES: Mapping[str, SegmentationConfig] = MappingProxyType({each.recipe: each for each in (SMALL, TORCHVISION)})
