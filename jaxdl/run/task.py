"""Functions in which one task differs from another. A run is wired of them, and of nothing else that knows its task."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from jaxdl.data.dataset import Dataset
from jaxdl.run.config import Config
from jaxdl.train.gradients import Loss, PerExample

Images = Callable[[jax.Array], jax.Array]


class Task(NamedTuple):
    """A record of functions of the configuration and of arrays.

    load: config -> dataset; prints what was left out of it.
    model: (config, num_classes=) -> the network, whose outputs the loss, the metrics and ``predictions`` take.
    loss: config -> what training minimises, (outputs, targets) -> float32[B, ...]; eval_loss: what evaluation measures.
    metrics: (outputs, targets) -> float32[B], by name; ``accuracy`` chooses the best epoch.
    augment: (config, mean=, std=) -> (key, images) -> images, normalised; mix: (config, num_classes=) -> (key, images,
    targets) -> (images, targets), or None.
    prepare: (images, mean=, std=) -> what the network sees in evaluation; views: config -> other versions of it.
    predictions: (outputs, targets, classes) -> an object with ``loss`` and ``accuracy`` that the review shows.
    """

    load: Callable[[Config], Dataset]
    model: Callable[..., nn.Module]
    loss: Callable[[Config], Loss]
    eval_loss: Loss
    metrics: Mapping[str, PerExample]
    augment: Callable[..., Callable[..., jax.Array]]
    mix: Callable[..., Callable[..., Any] | None]
    prepare: Callable[..., jax.Array]
    views: Callable[[Config], Sequence[Images]]
    predictions: Callable[[np.ndarray, np.ndarray, Sequence[str]], Any]
