"""fit(), evaluate() and predict(): what happens, in order."""

import math
from collections import deque
from collections.abc import Callable, Iterable

import jax
import numpy as np
import optax

from jaxdl.errors import UserError
from jaxdl.metrics import Mean, Totals
from jaxdl.processes import on_host
from jaxdl.train.eval_step import EvalStep, PredictStep
from jaxdl.train.gradients import Batch
from jaxdl.train.history import Clock, History
from jaxdl.train.resident import Steps
from jaxdl.train.state import TrainState
from jaxdl.train.step import TrainStep

AHEAD = 4  # steps queued on an accelerator before the host waits for a result: enough never to starve it
AHEAD_ON_CPU = 1  # where a queued step already holds the memory that it will work in


class NotFiniteError(UserError):
    """The loss, the gradient or the parameters are no longer finite."""


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
) -> np.ndarray | None:
    """Logits, float32[examples, classes], of ``batches`` without their padding; None if asked to stop."""
    found: list[np.ndarray] = []
    waiting: deque[jax.Array] = deque()
    for batch in batches:
        if should_stop():
            return None
        waiting.append(predict_step(state, batch))
        if len(waiting) > _ahead():
            found.append(on_host(waiting.popleft()))
    found.extend(map(on_host, waiting))
    return np.concatenate(found)[:examples]


def fit(
    state: TrainState,
    train_step: TrainStep | Steps,
    batch_at: Callable[[int], Batch],
    *,
    steps: int,
    steps_per_epoch: int,
    learning_rate: optax.Schedule,
    steps_per_call: int = 1,
    validate: Callable[[TrainState], dict[str, float] | None] | None = None,
    save: Callable[[TrainState, History, float | None], None] | None = None,
    save_every: int | None = None,
    log_every: int = 100,
    on_step: Callable[[int, History], None] = lambda step, history: None,
    on_record: Callable[[dict], None] = lambda record: None,
    on_epoch: Callable[[TrainState, Batch | None], None] = lambda state, batch: None,
    should_stop: Callable[[], bool] = lambda: False,
    history: History | None = None,
) -> TrainState:
    """Trains from ``state.step`` to ``steps`` updates, or until ``should_stop()``; the state returned has been saved.

    batch_at: the batch of a step, counted from 0; with ``state`` it determines everything that follows.
    steps_per_call: above 1, ``train_step`` comes from ``make_resident_steps``, and ``batch_at`` returns the feed of so
    many steps; each call runs those up to the next record, validation or checkpoint.
    validate: called at the end of each epoch and of the run; returns at least ``accuracy`` and ``loss``, or None if it
    was asked to stop: then the run stops too, and the next ``fit`` with this ``history`` begins with it.
    save: called with (state, history, validation accuracy or None) at each epoch's end, or every ``save_every``
    updates and at each new best validation accuracy; and at the end.
    on_step: called for each finished step, in order.
    on_record: called with a flat dict of metrics every ``log_every`` steps and at each epoch's end.
    on_epoch: called after that, at the end of each epoch and of the run, with the state and the last result of
    ``batch_at``, None if this ``fit`` has not trained yet.
    history: from the checkpoint that ``state`` comes from; a new one if None. It is updated in place.
    Raises NotFiniteError, naming the step, before anything of that step is saved.
    """
    history = history or History()
    clock = Clock(history)
    waiting: deque[tuple[range, dict[str, Mean]]] = deque()
    saved, compiled = -1, False
    ahead = _ahead() if steps_per_call == 1 else 1
    events = [log_every, steps_per_epoch, *([save_every] if save_every else [])]

    def settle(ahead: int) -> None:
        while len(waiting) > ahead:
            finished, device_metrics = waiting.popleft()
            metrics_of_all = jax.device_get(device_metrics)
            timed = clock.tick()
            for index, step in enumerate(finished):
                metrics = _at(index, metrics_of_all)
                _check_finite(step, metrics)
                if "skipped" in metrics:
                    history.skipped_updates += int(metrics["skipped"].total)
                history.window.add(metrics)
                history.epoch.add(metrics)
                if timed:
                    history.timed_images += int(metrics["loss"].count)
                on_step(step, history)

    step, batch = int(state.step), None
    while history.validation_due or (step < steps and not should_stop()):
        if not history.validation_due:
            with clock.waiting():
                batch = batch_at(step)
            if steps_per_call == 1:
                count = 1
                state, metrics = train_step(state, batch)
            else:
                count = min(steps_per_call, steps - step, *(every - step % every for every in events))
                if compiled:  # calls are few: the first after a validation is timed too, from where it is made
                    clock.start()
                state, metrics = train_step(state, batch, count)
                compiled = True
            waiting.append((range(step + 1, step + count + 1), metrics))
            step += count
            settle(ahead)

            if step % log_every == 0:
                settle(0)
                on_record(_step_record(step, steps_per_epoch, history, float(learning_rate(step - 1))))
                history.window = Totals()

        val_accuracy, best = None, False
        epoch_ends, run_ends = step % steps_per_epoch == 0, step == steps
        if epoch_ends or run_ends or history.validation_due:
            settle(0)
            validation = validate(state) if validate else {}
            history.validation_due = validation is None
            if validation is None:
                break
            val_accuracy = validation.get("accuracy")
            if val_accuracy is not None and (
                history.best_val_accuracy is None or val_accuracy > history.best_val_accuracy
            ):
                best = True
                history.best_val_accuracy = val_accuracy
            if epoch_ends and val_accuracy is not None:
                history.val_accuracies.append(val_accuracy)
            clock.update()
            on_record(_epoch_record(step, steps_per_epoch, history, float(learning_rate(step - 1)), validation))
            on_epoch(state, batch)
            if epoch_ends:
                history.epoch = Totals()
            clock.stop()

        if save and (best or run_ends or (step % save_every == 0 if save_every else epoch_ends)):
            settle(0)
            _check_params(step, state)
            save(state, history, val_accuracy)
            saved = step
            clock.stop()

    settle(0)
    if save and saved != step:
        _check_params(step, state)
        save(state, history, None)
    return state


def _ahead() -> int:
    return AHEAD_ON_CPU if jax.default_backend() == "cpu" else AHEAD


def _at(index: int, stacked: dict[str, Mean]) -> dict[str, Mean]:
    """The metrics of one step of a call; those of a single step have no axis of steps."""
    return jax.tree.map(lambda values: values[index] if values.ndim else values, stacked)


def _step_record(step: int, steps_per_epoch: int, history: History, learning_rate: float) -> dict:
    return {
        "kind": "step",
        "step": step,
        "epoch": step / steps_per_epoch,
        **history.window.means(),
        "learning_rate": learning_rate,
        "images_per_second": history.images_per_second,
        "waiting_for_data": history.waiting_for_data,
        "skipped_updates": history.skipped_updates,
        "seconds": history.seconds,
    }


def _epoch_record(
    step: int, steps_per_epoch: int, history: History, learning_rate: float, validation: dict[str, float]
) -> dict:
    return {
        "kind": "epoch",
        "step": step,
        "epoch": step / steps_per_epoch,
        **{f"train_{name}": value for name, value in history.epoch.means().items()},
        **{f"val_{name}": value for name, value in validation.items()},
        "learning_rate": learning_rate,
        "images_per_second": history.images_per_second,
        "waiting_for_data": history.waiting_for_data,
        "skipped_updates": history.skipped_updates,
        "seconds": history.seconds,
    }


def _check_finite(step: int, metrics: dict[str, Mean]) -> None:
    for name in ("loss", "grad_norm"):
        value = float(metrics[name].value)
        if not math.isfinite(value):
            raise NotFiniteError(_advice(f"the {name} is {value}", step))


def _check_params(step: int, state: TrainState) -> None:
    if not math.isfinite(float(_norm(state.params))):
        raise NotFiniteError(_advice("the parameters are not finite", step))


def _advice(what: str, step: int) -> str:
    return f"{what} at step {step}; training has stopped. Try a lower learning rate, or clip the gradients."


_norm = jax.jit(optax.tree.norm)
