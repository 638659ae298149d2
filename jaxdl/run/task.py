"""Functions in which one task differs from another. A run is wired of them, and of nothing else that knows its task."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import flax.linen as nn
import jax

from jaxdl.data.dataset import Dataset, Split
from jaxdl.metrics import Totals
from jaxdl.run.config import Config
from jaxdl.train.eval_step import Sum
from jaxdl.train.gradients import Batch, Loss, PerExample

if TYPE_CHECKING:
    from jaxdl.saved_model import SavedModel

Images = Callable[[jax.Array], jax.Array]


class Inputs(NamedTuple):
    """Of networks that take more than images: batch -> (arguments, keyword arguments) of a call, in training and in
    evaluation; and ``transform``, (key, batch) -> batch, what is done to a training batch before."""

    train: Callable[[Batch], tuple[tuple, dict[str, Any]]]
    evaluation: Callable[[Batch], tuple[tuple, dict[str, Any]]]
    transform: Callable[[jax.Array, Batch], Batch]


class Score(NamedTuple):
    """Measure that chooses the best epoch, the higher the better: its name in records, and in words."""

    name: str
    words: str


class Task(NamedTuple):
    """A record of functions of the configuration and of arrays.

    name: in ``jaxdl.run.tasks``.
    settle: (config, given) -> config, before the data is read. load: config -> dataset; prints what was left out of it.
    adapt: (config, dataset, given) -> config, with what depends on the data settled.
    without_data: (fields given, the saved network or None) -> config, (H, W, C) of a picture: of weights without a run.
    usual_classes: config -> by how many there are, whose they are taken for and their names.
    model: (config, num_classes=) -> the network, whose outputs the loss, the metrics and ``kept`` take.
    loss: config -> what training minimises, (outputs, targets) -> float32[B, ...]; eval_loss: what evaluation measures,
    None where it measures none.
    metrics: (outputs, targets) -> float32[B], by name; sums: of evaluation alone, (outputs, targets, mask) -> what is
    added up over a split. figures: (all of these over a split, classes) -> numbers by name, of which ``score`` chooses
    the best epoch.
    augment: (config, mean=, std=) -> (key, images) -> images, normalised; mix: (config, num_classes=) -> (key, images,
    targets) -> (images, targets), or None.
    prepare: (images, mean=, std=) -> what the network sees in evaluation; views: config -> other versions of it.
    kept: outputs -> what is left of them, of every example of a split, for ``predictions``.
    predictions: (kept, targets, classes, figures) -> an object with ``figures``, of which the review makes a report.
    inputs: (config, mean=, std=) -> ``Inputs``, or None of a network that takes images alone.
    on_host: (kept, split, config) -> what ``measured`` and ``predictions`` take in the place of what is kept.
    measured: None; or (kept, targets, classes) -> numbers by name, of what is measured on the host in the place of
    ``figures``.
    review: () -> the module with what is drawn of a run, imported then: ``evaluated``, ``evaluation_of``, ``pictures``,
    ``seen_batch``, ``page``, ``log_pictures`` and ``print_figures``.
    """

    name: str
    settle: Callable[[Config, frozenset[str]], Config]
    load: Callable[[Config], Dataset]
    adapt: Callable[[Config, Dataset, frozenset[str]], Config]
    without_data: Callable[[Mapping[str, Any], "SavedModel | None"], tuple[Config, tuple[int, int, int]]]
    usual_classes: Callable[[Config], Mapping[int, tuple[str, tuple[str, ...]]]]
    model: Callable[..., nn.Module]
    loss: Callable[[Config], Loss]
    eval_loss: PerExample | None
    metrics: Mapping[str, PerExample]
    sums: Mapping[str, Sum]
    figures: Callable[[Totals, Sequence[str]], dict[str, float]]
    score: Score
    augment: Callable[..., Callable[..., jax.Array]]
    mix: Callable[..., Callable[..., Any] | None]
    prepare: Callable[..., jax.Array]
    views: Callable[[Config], Sequence[Images]]
    kept: Callable[[Any], Any]
    predictions: Callable[[Any, Any, Sequence[str], Mapping[str, float]], Any]
    review: Callable[[], ModuleType]
    inputs: Callable[..., Inputs | None] = lambda config, mean, std: None
    on_host: Callable[[Any, Split, Config], Any] = lambda kept, split, config: kept
    measured: Callable[[Any, Any, Sequence[str]], dict[str, float]] | None = None
