"""Tasks by name: the record of functions of each, and its configuration, imported when they are taken."""

from jaxdl.lazy import Table

TASKS = Table(
    "jaxdl.run",
    {
        "classification": "classification.CLASSIFICATION",
        "detection": "detection.task.DETECTION",
        "segmentation": "segmentation.task.SEGMENTATION",
    },
)
CONFIGS = Table(
    "jaxdl.run",
    {
        "classification": "config.Config",
        "detection": "detection.config.DetectionConfig",
        "segmentation": "segmentation.config.SegmentationConfig",
    },
)
TRAINED_BY = {"classification": "train", "detection": "detect", "segmentation": "segment"}  # the command of each
USUAL = "classification"  # of runs whose record names none: earlier versions knew no other
