"""All members from their first step to their last, together."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax

from jaxdl.metrics import Mean
from jaxdl.run.sweep.member_history import MemberHistory, finite_or_none
from jaxdl.train.state import TrainState

LONGEST = 1.0  # seconds, about, that the device computes before the host looks for a signal
MOST_STEPS = 50  # a call
MOST_ROWS = 2**24  # of examples that go to the device with a call


def most_steps(*, members: int, batch_size: int, steps_per_epoch: int) -> int:
    """The steps that one call of the compiled program has room for."""
    return max(1, min(MOST_STEPS, MOST_ROWS // (members * batch_size), steps_per_epoch))


def train(
    states: TrainState,
    step_of_all: Callable[..., tuple[TrainState, dict[str, Mean]]],
    feed: Callable[[int], Mapping[str, np.ndarray]],
    *,
    numbers: Any,
    data: Mapping[str, jax.Array],
    steps: int,
    steps_per_epoch: int,
    most: int,
    batch_size: int,
    validate: Callable[[TrainState], dict[str, np.ndarray] | None] | None,
    save: Callable[[TrainState], None],
    on_steps: Callable[[int, MemberHistory], None],
    on_record: Callable[[dict], None],
    should_stop: Callable[[], bool],
    history: MemberHistory,
) -> TrainState:
    """Trains from the states' step to ``steps``, or until ``should_stop()``; the states returned have been saved.

    feed: step -> the batches of the next ``most`` steps, of which a call makes as many as the host has patience for.
    validate: called at the end of each epoch and of the run; ``accuracy`` and ``loss``, float[M]; None if it was asked
    to stop, after which the next ``train`` begins with it.
    """
    before, began = history.seconds, time.perf_counter()
    members, step, saved_at = len(history.diverged), int(states.step[0]), -1
    seconds_a_step: float | None = None
    compiled = False

    while history.validation_due or (step < steps and not should_stop()):
        if not history.validation_due:
            to_epoch = steps_per_epoch - step % steps_per_epoch
            wanted = 1 if seconds_a_step is None else max(1, int(LONGEST / seconds_a_step))
            count = min(wanted, most, to_epoch, steps - step)
            asked = time.perf_counter()
            states, on_device = step_of_all(states, numbers, data, feed(step), np.int32(count))
            metrics = jax.device_get(on_device)
            for index in range(count):
                values = {name: (mean.total[:, index], mean.count[:, index]) for name, mean in metrics.items()}
                history.add(step + index + 1, values)
            step += count
            if compiled:  # else this call waited for the compiler
                took = time.perf_counter() - asked
                seconds_a_step = took / count
                history.timed_seconds += took
                history.timed_images += members * batch_size * count
            compiled = True
            history.seconds = before + time.perf_counter() - began
            on_steps(step, history)

        epoch_ends, run_ends = step % steps_per_epoch == 0, step == steps
        if epoch_ends or run_ends or history.validation_due:
            measured = validate(states) if validate else {}
            history.validation_due = measured is None
            if measured is None:
                break
            history.mark(step, ~np.isfinite(jax.device_get(_norms(states.params))))
            if measured:
                lost = [place is not None for place in history.diverged]
                measured = {name: finite_or_none(np.where(lost, np.nan, values)) for name, values in measured.items()}
                history.val_accuracies.append(measured["accuracy"])
            history.seconds = before + time.perf_counter() - began
            on_record(_record(step, steps_per_epoch, history, measured))
            if epoch_ends:
                history.sums = {}
            save(states)
            saved_at = step

    if saved_at != step:
        save(states)
    return states


def _record(step: int, steps_per_epoch: int, history: MemberHistory, measured: Mapping[str, list]) -> dict:
    return {
        "kind": "epoch",
        "step": step,
        "epoch": step / steps_per_epoch,
        **{f"train_{name}": history.means(name) for name in history.sums if name != "skipped"},
        **{f"val_{name}": values for name, values in measured.items()},
        "diverged": list(history.diverged),
        "skipped_updates": list(history.skipped),
        "images_per_second": history.images_per_second,
        "seconds": history.seconds,
    }


_norms = jax.jit(jax.vmap(optax.tree.norm))
