"""Object detection: boxes, classes and masks of the objects in pictures."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from jaxdl.data import augment
from jaxdl.data.dataset import Dataset
from jaxdl.data.detection import box_folder
from jaxdl.data.detection.padded import PaddedObjects
from jaxdl.objects import Detections
from jaxdl.run.detection import fitted
from jaxdl.run.detection.config import DetectionConfig
from jaxdl.run.detection.found import found_in
from jaxdl.run.detection.inputs import inputs_of
from jaxdl.run.detection.measures import figures_of
from jaxdl.run.detection.network import model_of
from jaxdl.run.task import Score, Task


def load(config: DetectionConfig) -> Dataset:
    """The pictures and objects in ``--data-dir``; prints what was left out of them."""
    dataset = box_folder.load(config.data_dir, stream=bool(config.stream), progress=True)
    for remark in dataset.remarks:
        print(f"note     {remark}", flush=True)
    return dataset


def _predictions(
    found: Sequence[Detections], labels: PaddedObjects, classes: Sequence[str], figures: Mapping[str, float]
) -> Any:
    from jaxdl.report.detection_predictions import DetectionPredictions

    return DetectionPredictions(tuple(found), labels.objects, tuple(map(tuple, labels.sizes.tolist())), tuple(classes))


def _review() -> ModuleType:
    from jaxdl.run.detection import review  # with what draws and renders, which training needs nothing of

    return review


DETECTION = Task(
    name="detection",
    settle=fitted.to_weights,
    load=load,
    adapt=fitted.to_data,
    without_data=fitted.without_data,
    usual_classes=lambda config: {},
    model=model_of,
    loss=lambda config: lambda losses, targets: losses,  # the network's own
    eval_loss=None,
    metrics={},
    sums={},
    figures=lambda totals, classes: {},
    score=Score("ap", "AP"),
    augment=lambda config, mean, std: None,
    mix=lambda config, num_classes: None,
    prepare=augment.normalize,
    views=lambda config: (),
    kept=lambda found: found,
    predictions=_predictions,
    review=_review,
    inputs=inputs_of,
    on_host=found_in,
    measured=figures_of,
)
