"""fit(), evaluate() and predict(): what happens, in order."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
import optax

from jaxdl.metrics import Mean, Totals
from jaxdl.processes import on_host
from jaxdl.train.clock import Clock
from jaxdl.train.eval_step import EvalStep, PredictStep
from jaxdl.train.gradients import Batch
from jaxdl.train.history import History
from jaxdl.train.member_history import MemberHistory
from jaxdl.train.resident import Steps
from jaxdl.train.state import TrainState
from jaxdl.train.step import TrainStep

AHEAD = 4  # steps queued on an accelerator before the host waits for a result: enough never to starve it
LONGEST_CALL = 1.0  # seconds, about, of steps in one call: until then the host sees no signal
AHEAD_ON_CPU = 1  # where a queued step already holds the memory that it will work in


def evaluate(
    eval_step: EvalStep,
    state: TrainState,
    batches: Iterable[Batch],
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> Totals | None:
    """The metrics of ``eval_step`` summed over ``batches``, each example counted once; None if asked to stop."""
    totals: Totals = Totals()
    waiting: deque[dict[str, Mean]] = deque()
    for batch in batches:
        if should_stop():
            return None
        waiting.append(eval_step(state, batch))
        if len(waiting) > _ahead():
            totals.add(jax.device_get(waiting.popleft()))
    for metrics in waiting:
        totals.add(jax.device_get(metrics))
    return totals


def predict(
    predict_step: PredictStep,
    state: TrainState,
    batches: Iterable[Batch],
    *,
    examples: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Any:
    """Logits, float32[examples, classes], of ``batches`` without their padding; None if asked to stop.

    Of a step that returns several arrays, a tree of these.
    """
    found: list[Any] = []
    waiting: deque[jax.Array] = deque()
    for batch in batches:
        if should_stop():
            return None
        waiting.append(predict_step(state, batch))
        if len(waiting) > _ahead():
            found.append(jax.tree.map(on_host, waiting.popleft()))
    found.extend(jax.tree.map(on_host, each) for each in waiting)
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:examples], *found)


def fit(
    state: TrainState,
    train_step: TrainStep | Steps,
    batch_at: Callable[[int], Any],
    *,
    steps: int,
    steps_per_epoch: int,
    steps_per_call: int | None = None,
    learning_rate: optax.Schedule | None = None,
    validate: Callable[[TrainState], dict[str, Any] | None] | None = None,
    save: Callable[[TrainState, Any, Any], None] | None = None,
    save_every: int | None = None,
    log_every: int | None = 100,
    on_step: Callable[[int, Any], None] = lambda step, history: None,
    on_record: Callable[[dict], None] = lambda record: None,
    on_epoch: Callable[[TrainState, Any | None], None] = lambda state, batch: None,
    should_stop: Callable[[], bool] = lambda: False,
    history: History | MemberHistory | None = None,
    score: str = "accuracy",
) -> TrainState:
    """Trains from ``state.step`` to ``steps`` updates, or until ``should_stop()``; the state returned has been saved.

    batch_at: the batch of a step, counted from 0; with ``state`` it determines everything that follows.
    steps_per_call: with it ``train_step`` takes a third argument, how many steps to make, as that of
    ``make_resident_steps`` does, and ``batch_at`` returns the feed of so many; each call makes those up to the next
    record, validation or checkpoint, and of those as many as take about a second.
    learning_rate: of a step, for the records; left out of them if None.
    validate: called at the end of each epoch and of the run; returns at least ``loss`` and what ``score`` names, the
    higher the better; or None if it was asked to stop: then the run stops too, and the next ``fit`` with this
    ``history`` begins with it.
    save: called with (state, history, validation's score or None) at each epoch's end, or every ``save_every`` updates
    and at each new best score; and at the end.
    on_step: called for each finished step, in order, with (step, history).
    on_record: called with a flat dict of metrics every ``log_every`` steps, if any, and at each epoch's end.
    on_epoch: called after that, at the end of each epoch and of the run, with the state and the last result of
    ``batch_at``, None if this ``fit`` has not trained yet.
    history: from the checkpoint that ``state`` comes from; a new one of one training if None. It is updated in place.
    Raises NotFiniteError, naming the step, before anything of that step is saved; of many members none ends the others.
    """
    history = history or History()
    clock = Clock(history)
    waiting: deque[tuple[range, dict[str, Mean]]] = deque()
    saved, compiled = -1, False
    ahead = _ahead() if steps_per_call is None else 1
    events = [every for every in (log_every, steps_per_epoch, save_every) if every]

    def settle(ahead: int) -> None:
        while len(waiting) > ahead:
            finished, device_metrics = waiting.popleft()
            metrics = jax.device_get(device_metrics)
            clock.tick(steps=len(finished), images=int(metrics["loss"].count.sum()))
            for index, step in enumerate(finished):
                history.add(step, metrics if steps_per_call is None else _at(index, metrics))
                on_step(step, history)

    def record(kind: str, metrics: dict[str, Any]) -> None:
        rate = {} if learning_rate is None else {"learning_rate": float(learning_rate(step - 1))}
        placed = {"kind": kind, "step": step, "epoch": step / steps_per_epoch}
        on_record({**placed, **metrics, **rate, **history.figures()})

    step, batch = int(state.step), None
    while history.validation_due or (step < steps and not should_stop()):
        if not history.validation_due:
            with clock.waiting():
                batch = batch_at(step)
            if steps_per_call is None:
                count = 1
                state, metrics = train_step(state, batch)
            else:
                if compiled:  # calls are few: the first after a validation is timed too, from where it is made
                    clock.start()
                most = min(steps_per_call, clock.steps_within(LONGEST_CALL))
                count = min(most, steps - step, *(every - step % every for every in events))
                state, metrics = train_step(state, batch, count)
                compiled = True
            waiting.append((range(step + 1, step + count + 1), metrics))
            step += count
            settle(ahead)

            if log_every and step % log_every == 0:
                settle(0)
                record("step", history.window_means())

        value, best = None, False
        epoch_ends, run_ends = step % steps_per_epoch == 0, step == steps
        if epoch_ends or run_ends or history.validation_due:
            settle(0)
            validation = validate(state) if validate else {}
            history.validation_due = validation is None
            if validation is None:
                break
            value = validation.get(score)
            best = history.add_validation(validation, epoch_ends=epoch_ends, score=score)
            clock.update()
            trained = {f"train_{name}": value for name, value in history.epoch_means().items()}
            record("epoch", trained | {f"val_{name}": value for name, value in validation.items()})
            on_epoch(state, batch)
            if epoch_ends:
                history.begin_epoch()
            clock.stop()

        if save and (best or run_ends or (step % save_every == 0 if save_every else epoch_ends)):
            settle(0)
            history.check_params(step, state.params)
            save(state, history, value)
            saved = step
            clock.stop()

    settle(0)
    if save and saved != step:
        history.check_params(step, state.params)
        save(state, history, None)
    return state


def _ahead() -> int:
    return AHEAD_ON_CPU if jax.default_backend() == "cpu" else AHEAD


def _at(index: int, stacked: dict[str, Mean]) -> dict[str, Mean]:
    """The metrics of one step of a call."""
    return jax.tree.map(lambda values: values[index], stacked)
