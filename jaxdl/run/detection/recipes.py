"""Named recipes of detection, ``--recipe NAME``. Costs and figures of each are in ``experiments/bccd.py``."""

from collections.abc import Mapping
from types import MappingProxyType

from jaxdl.run.detection.config import DetectionConfig

# For two CPU cores and some hundred pictures of large objects: less than half an hour. RetinaNet, as pooling the
# features of boxes is slow on a CPU.
SMALL = DetectionConfig(
    recipe="small",
    model="retinanet",
    backbone="mobilenet_v2",
    min_size=240,
    max_size=400,
    anchor_sizes="16,32,64,128,256",
    epochs=12,
    batch_size=4,
    optimizer="adamw",
    lr=5e-4,
    weight_decay=1e-4,
    clip_norm=5.0,
    schedule="cosine",
    warmup_epochs=1.0,
)

# torchvision's reference for COCO, its published weights' own: a GPU's work.
TORCHVISION = DetectionConfig(
    recipe="torchvision",
    model="fasterrcnn_resnet50_fpn",
    epochs=26,
    batch_size=16,
    optimizer="sgd",
    lr=0.02,
    momentum=0.9,
    nesterov=False,
    schedule="step",
    decay_epochs=11.0,
    l2=1e-4,
    decay_biases=True,
    warmup_epochs=0.14,
    warmup_start=0.001,
)

RECIPES: Mapping[str, DetectionConfig] = MappingProxyType({each.recipe: each for each in (SMALL, TORCHVISION)})
