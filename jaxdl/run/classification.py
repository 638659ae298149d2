"""Image classification: one label an image."""

import inspect
from functools import partial

from jaxdl import losses, metrics
from jaxdl.data import augment
from jaxdl.errors import UserError
from jaxdl.report.evaluation import Predictions
from jaxdl.run.augmentation import augmentation_of, mix_of
from jaxdl.run.config import Config
from jaxdl.run.loading import load
from jaxdl.run.network import model_of
from jaxdl.run.task import Task
from jaxdl.run.views import views_of
from jaxdl.train.gradients import Loss


def _loss(config: Config) -> Loss:
    loss = losses.BY_NAME[config.loss]
    if not config.label_smoothing:
        return loss
    if "label_smoothing" not in inspect.signature(loss).parameters:
        raise UserError(f"--loss {config.loss} knows no label smoothing: add --label-smoothing 0.")
    return partial(loss, label_smoothing=config.label_smoothing)


CLASSIFICATION = Task(
    load=load,
    model=model_of,
    loss=_loss,
    eval_loss=losses.cross_entropy,
    metrics={"accuracy": metrics.correct},
    augment=augmentation_of,
    mix=mix_of,
    prepare=augment.normalize,
    views=views_of,
    predictions=Predictions,
)
