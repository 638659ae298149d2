"""The compiled functions of all members: a training step, a validation, logits; and the states they begin with."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxdl.data.dataset import Dataset
from jaxdl.run.build import SAMPLE, Steps, evaluated, loaded, step_functions
from jaxdl.run.config import Config
from jaxdl.run.network import frozen_patterns
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.member_data import SweepData
from jaxdl.run.sweep.numbers import Numbers, loss_of_member, optimizer_of_member
from jaxdl.run.task import Task
from jaxdl.train.gradients import Batch
from jaxdl.train.members import make_members_evaluation, make_members_step
from jaxdl.train.state import TrainState, create_state


class MemberSteps(NamedTuple):
    """As ``jaxdl.train.members`` makes them."""

    train: Callable[..., Any]
    validate: Callable[..., Any]
    predict: Callable[..., Any]


def steps_of_members(
    task: Task, config: Config, model: nn.Module, *, classes: int, steps_per_epoch: int, data: SweepData
) -> MemberSteps:
    """The functions of the run that the flags ask for; what is swept they take as ``numbers``."""
    shared = dict(zip(("mean", "std"), data.statistics or (None, None), strict=True))

    def functions(numbers: Numbers) -> Steps:
        return step_functions(
            task,
            config,
            model,
            optimizer_of_member(config, numbers, steps_per_epoch),
            loss=loss_of_member(config, numbers),
            num_classes=classes,
            **{name: numbers.get(name, value) for name, value in shared.items()},
        )

    def update(state: TrainState, numbers: Numbers, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
        return functions(numbers).train.__wrapped__(state, batch)

    def validate(state: TrainState, numbers: Numbers, batch: Batch) -> dict[str, Any]:
        return functions(numbers).eval.__wrapped__(evaluated(state, config), batch)

    def predict(state: TrainState, numbers: Numbers, batch: Batch) -> jax.Array:
        return functions(numbers).predict.__wrapped__(evaluated(state, config), batch)

    return MemberSteps(make_members_step(update), make_members_evaluation(validate), make_members_evaluation(predict))


def first_states(
    task: Task,
    config: Config,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    grid: Grid,
    dataset: Dataset,
    data: SweepData,
) -> TrainState:
    """The members' states before their first update, stacked: each that of a run of its seed alone.

    optimizer: of any member; its state begins the same for all.
    """
    create: Callable[..., TrainState] | None = None
    by_seed: dict[int, TrainState] = {}
    for seed, own in data.by_seed.items():
        sample = task.prepare(dataset.train.images[own.train.images[:SAMPLE]], mean=own.mean, std=own.std)
        key = jax.random.key(seed)
        variables = loaded(config, model, key, sample[:1], told=not by_seed)
        if create is None:  # compiled once for all seeds
            freeze = frozen_patterns(config.freeze, model, sample[:1])
            create = jax.jit(partial(create_state, model, optimizer, freeze=freeze))
        by_seed[seed] = create(key, sample, variables=variables)
    order = [by_seed[member["seed"]] for member in grid.members]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *order)


def saved(states: TrainState) -> TrainState:
    """State for a checkpoint, with one ``step``: all members are at the same one."""
    return states.replace(step=states.step[0])


def restored(states: TrainState, *, members: int) -> TrainState:
    """The inverse of ``saved``."""
    return states.replace(step=jnp.full(members, states.step, jnp.int32))
