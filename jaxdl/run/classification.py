"""Image classification: one label an image."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType

import numpy as np

from jaxdl import losses, metrics
from jaxdl.data import augment
from jaxdl.errors import UserError
from jaxdl.report.evaluation import Predictions
from jaxdl.run import fitted
from jaxdl.run.augmentation import augmentation_of, mix_of
from jaxdl.run.config import Config
from jaxdl.run.loading import load
from jaxdl.run.network import model_of
from jaxdl.run.preprocessing import CIFAR10
from jaxdl.run.task import Score, Task
from jaxdl.run.views import views_of
from jaxdl.train.eval_step import in_float32
from jaxdl.train.gradients import Loss
from jaxdl.transfer import imagenet

MADE_FOR_CIFAR = ("cifar_cnn", "quick_cnn", "speed_cnn", "speed_cnn_muon")


def _loss(config: Config) -> Loss:
    loss = losses.BY_NAME[config.loss]
    if not config.label_smoothing:
        return loss
    if "label_smoothing" not in inspect.signature(loss).parameters:
        raise UserError(f"--loss {config.loss} knows no label smoothing: add --label-smoothing 0.")
    return partial(loss, label_smoothing=config.label_smoothing)


def _predictions(
    logits: np.ndarray, labels: np.ndarray, classes: Sequence[str], figures: Mapping[str, float]
) -> Predictions:
    return Predictions(logits, labels, classes)  # which measures the loss again, in float64


def _usual_classes(config: Config) -> dict[int, tuple[str, tuple[str, ...]]]:
    usual = {1000: ("ImageNet", tuple(each.name for each in imagenet.classes()))}
    return usual | ({10: ("CIFAR-10", CIFAR10)} if config.model in MADE_FOR_CIFAR else {})


def _review() -> ModuleType:
    from jaxdl.run import classification_review  # with what draws and renders, which training needs nothing of

    return classification_review


CLASSIFICATION = Task(
    name="classification",
    settle=fitted.to_weights,
    load=load,
    adapt=fitted.to_data,
    without_data=fitted.without_data,
    usual_classes=_usual_classes,
    model=model_of,
    loss=_loss,
    eval_loss=losses.cross_entropy,
    metrics={"accuracy": metrics.correct},
    sums={},
    figures=lambda totals, classes: totals.means(),
    score=Score("accuracy", "accuracy"),
    augment=augmentation_of,
    mix=mix_of,
    prepare=augment.normalize,
    views=views_of,
    kept=in_float32,
    predictions=_predictions,
    review=_review,
)
