"""A split through the steps of evaluation: batches on the devices, with a bar on a terminal."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
from tqdm import tqdm

from jaxdl.data import pipeline
from jaxdl.data.dataset import Split
from jaxdl.data.prefetch import Prefetch
from jaxdl.metrics import Mean, Totals
from jaxdl.run.build import at_once, for_evaluation
from jaxdl.run.task import Task
from jaxdl.run.training import Training
from jaxdl.train import parallel
from jaxdl.train.loop import evaluate, predict
from jaxdl.train.state import TrainState

SECONDS_UNTIL_BAR = 2
T = TypeVar("T")


@contextlib.contextmanager
def batches_of(
    split: Split, devices: parallel.Devices, doing: str, *, size: int | None = None, answers: bool = False
) -> Iterator[Iterator[parallel.PlacedBatch]]:
    """A context with all of ``split`` in batches of ``size`` images, the last one padded and masked.

    size: as many as are evaluated at once, or as there are, if None. answers: of a command whose output they become;
    the bar is then on standard error, and only if it takes a while.
    """
    size = devices.padded(at_once(split) if size is None else size)
    count = pipeline.eval_steps(len(split), size)
    batch_at = partial(pipeline.eval_batch, split, batch_size=size, rows=devices.share(size))
    shown = {"file": sys.stderr, "delay": SECONDS_UNTIL_BAR} if answers else {"file": sys.stdout}
    with (
        Prefetch(batch_at, start=0, stop=count, put=partial(devices.place, examples=size)) as placed,
        tqdm(total=len(split), desc=doing, unit="img", leave=False, disable=None, **shown) as images,
    ):

        def batches() -> Iterator[parallel.PlacedBatch]:
            for number in range(count):
                yield placed(number)
                images.update(min(size, len(split) - images.n))

        yield batches()


def bar(each: Iterable[T], doing: str) -> Iterable[T]:
    """``each``, with a bar on a terminal while it is gone through."""
    return tqdm(each, doing, leave=False, disable=None, file=sys.stdout)


def validation(
    training: Training, *, should_stop: Callable[[], bool]
) -> Callable[[TrainState], dict[str, float] | None] | None:
    """``validate(state) -> figures of the task``, as ``fit`` takes it; None where nothing is held out.

    should_stop: asked before each batch; of several processes none is asked, as all must come to the same answer.
    """
    if training.val is None:
        return None
    asked = should_stop if jax.process_count() == 1 else lambda: False

    step, size = training.evaluation.step, training.evaluation.batch_size

    def metrics(state: TrainState, batch: parallel.PlacedBatch) -> dict[str, Mean]:
        return step(state, batch)[0]

    def validate(state: TrainState) -> dict[str, float] | None:
        if training.task.measured is not None:
            found = evaluated(training, state, training.val, doing="validating", should_stop=asked)
            return None if found is None else found[1]
        with batches_of(training.val, training.devices, "validating", size=size) as batches:
            totals = evaluate(metrics, for_evaluation(state, training.config), batches, should_stop=asked)
        return None if totals is None else training.task.figures(totals, training.classes)

    return validate


def evaluated(
    training: Training,
    state: TrainState,
    split: Split,
    *,
    doing: str = "testing",
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Any, dict[str, float]] | None:
    """The network's outputs for all of ``split``, or what the task keeps of them, [N, ...], and their figures.

    None if asked to stop.
    """
    task, step, size = training.task, training.evaluation.step, training.evaluation.batch_size
    with batches_of(split, training.devices, doing, size=size) as batches:
        state = for_evaluation(state, training.config)
        found, totals = outputs_and_sums(step, state, batches, examples=len(split), should_stop=should_stop)
    if found is None:
        return None
    found = task.on_host(found, split, training.config)
    return found, figures_of(task, found, totals, split, training.classes)


def figures_of(task: Task, found: Any, totals: Totals, split: Split, classes: Sequence[str]) -> dict[str, float]:
    """Numbers by name of what was found in ``split``: measured on the host where the task does, else of the sums."""
    if task.measured is not None:
        return task.measured(found, split.labels, classes)
    return task.figures(totals, classes)


def outputs_and_sums(
    step: Callable[[TrainState, Any], tuple[Any, jax.Array]],
    state: TrainState,
    batches: Iterable[parallel.PlacedBatch],
    *,
    examples: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Any, Totals]:
    """Outputs [examples, ...] of ``step(state, batch) -> (sums, outputs)`` on the batches, and all its sums.

    None in the place of outputs if asked to stop.
    """
    totals, waiting = Totals(), []

    def kept(state: TrainState, batch: parallel.PlacedBatch) -> jax.Array:
        sums, outputs = step(state, batch)
        waiting.append(sums)
        return outputs

    found = predict(kept, state, batches, examples=examples, should_stop=should_stop)
    for sums in waiting:
        totals.add(jax.device_get(sums))
    return found, totals
