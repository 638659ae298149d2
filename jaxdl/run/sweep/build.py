"""A training of many members from their configuration and their data: ``jaxdl.run.build`` with an axis of members."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax

from jaxdl.data import pipeline
from jaxdl.data.dataset import Dataset
from jaxdl.metrics import Mean
from jaxdl.run.build import EVAL_BATCH, SAMPLE, for_evaluation, loaded, step_functions
from jaxdl.run.config import Config
from jaxdl.run.network import frozen_patterns
from jaxdl.run.optimization import steps_of
from jaxdl.run.sweep.grid import Grid
from jaxdl.run.sweep.member_data import SweepData, member_numbers, on_device, test_batch
from jaxdl.run.sweep.member_memory import check_fits
from jaxdl.run.sweep.numbers import Numbers, check_sweepable, loss_of_member, optimizer_of_member
from jaxdl.run.task import Task
from jaxdl.run.training import StepFunctions
from jaxdl.train.gradients import Batch
from jaxdl.train.members import make_members_evaluation, make_members_step, runs_one_by_one, stack_states
from jaxdl.train.state import TrainState, create_state

MOST_STEPS = 50  # a call
MOST_ROWS = 2**24  # of examples that go to the device with a call


class MemberSteps(NamedTuple):
    """As ``jaxdl.train.members`` makes them."""

    train: Callable[..., Any]
    validate: Callable[..., Any]
    predict: Callable[..., Any]


class MemberTraining(NamedTuple):
    """All that ``fit`` and an evaluation of all members need.

    states: before the first update. numbers: what is swept, as arrays. steps: updates to make in all; steps_per_call:
    that one call of the program has room for.
    """

    grid: Grid
    config: Config
    model: nn.Module
    data: SweepData
    numbers: Mapping[str, jax.Array]
    states: TrainState
    functions: MemberSteps
    steps: int
    steps_per_epoch: int
    steps_per_call: int

    def feed(self, step: int) -> Mapping[str, np.ndarray]:
        """The batches of the steps that a call may make, from ``step``."""
        return self.data.feed(step, steps=self.steps_per_call)

    def train_step(
        self, states: TrainState, feed: Mapping[str, np.ndarray], count: int
    ) -> tuple[TrainState, dict[str, Mean]]:
        """``count`` steps of every member, as ``fit`` calls it."""
        return self.functions.train(states, self.numbers, self.data.device, feed, np.int32(count))

    def eval_step(self, states: TrainState, batch: tuple[np.ndarray, np.ndarray]) -> dict[str, Mean]:
        """The metrics of one batch of each member's validation, float32[M]."""
        return self.functions.validate(states, self.numbers, self.data.device, *batch)

    def val_batches(self) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Each member's validation, as ``eval_step`` takes it."""
        examples = self.data.val_examples
        size = min(_eval_batch(self.config), examples)
        for index in range(pipeline.eval_steps(examples, size) if examples else 0):
            yield self.data.val_batch(index, batch_size=size)

    def outputs(self, states: TrainState, dataset: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(outputs, float32[M, B, classes]; their labels), batch by batch of the test split."""
        examples, test = len(dataset.test), on_device(dataset.test)
        size = min(_eval_batch(self.config), examples)
        for index in range(pipeline.eval_steps(examples, size)):
            rows, mask = test_batch(index, examples=examples, members=len(self.grid), batch_size=size)
            outputs = np.asarray(self.functions.predict(states, self.numbers, test, rows, mask))
            yield outputs[:, mask], dataset.test.labels[rows[0, mask]]


def build_members(config: Config, grid: Grid, dataset: Dataset, *, task: Task) -> MemberTraining:
    """The trainings of ``grid``, each that of its flags alone; raises UserError where so many do not fit in memory."""
    check_sweepable(config, frozenset(grid.names))
    steps_per_epoch = pipeline.steps_per_epoch(len(dataset.train) - config.val_size, config.batch_size)
    model = task.model(config, num_classes=len(dataset.classes))
    one = {name: value for name, value in grid.members[0].items() if name != "seed"}
    optimizer = optimizer_of_member(config, one, steps_per_epoch)  # whose state knows of no numbers
    check_fits(config, model, optimizer, dataset, members=len(grid))
    data = SweepData(dataset, grid, config)
    states = _first_states(task, config, model, optimizer, grid, dataset, data)
    return MemberTraining(
        grid=grid,
        config=config,
        model=model,
        data=data,
        numbers=member_numbers(grid, data),
        states=states,
        functions=_functions(
            task, config, model, num_classes=len(dataset.classes), steps_per_epoch=steps_per_epoch, data=data
        ),
        steps=min(steps_of(config, steps_per_epoch), config.steps or sys.maxsize),
        steps_per_epoch=steps_per_epoch,
        steps_per_call=max(1, min(MOST_STEPS, MOST_ROWS // (len(grid) * config.batch_size), steps_per_epoch)),
    )


def _functions(
    task: Task, config: Config, model: nn.Module, *, num_classes: int, steps_per_epoch: int, data: SweepData
) -> MemberSteps:
    """The functions of the run that the flags ask for; what is swept they take as ``numbers``."""
    shared = dict(zip(("mean", "std"), data.statistics or (None, None), strict=True))

    def functions(numbers: Numbers) -> StepFunctions:
        return step_functions(
            task,
            config,
            model,
            optimizer_of_member(config, numbers, steps_per_epoch),
            loss=loss_of_member(task, config, numbers),
            num_classes=num_classes,
            **{name: numbers.get(name, value) for name, value in shared.items()},
        )

    def update(state: TrainState, numbers: Numbers, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
        return functions(numbers).train.__wrapped__(state, batch)

    def validate(state: TrainState, numbers: Numbers, batch: Batch) -> dict[str, Any]:
        return functions(numbers).eval.__wrapped__(for_evaluation(state, config), batch)

    def predict(state: TrainState, numbers: Numbers, batch: Batch) -> jax.Array:
        return functions(numbers).predict.__wrapped__(for_evaluation(state, config), batch)

    return MemberSteps(make_members_step(update), make_members_evaluation(validate), make_members_evaluation(predict))


def _first_states(
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
    freeze: list[str] | None = None
    prepare = jax.jit(task.prepare)
    by_seed: dict[int, TrainState] = {}
    for seed, own in data.by_seed.items():
        sample = prepare(dataset.train.images[own.train.images[:SAMPLE]], mean=own.mean, std=own.std)
        key = jax.random.key(seed)
        variables, _ = loaded(config, model, key, sample[:1], told=not by_seed)
        if freeze is None:
            freeze = frozen_patterns(config.freeze, model, sample[:1])
        by_seed[seed] = create_state(model, optimizer, key, sample, variables=variables, freeze=freeze)
    return stack_states([by_seed[member["seed"]] for member in grid.members])


def _eval_batch(config: Config) -> int:
    return EVAL_BATCH if runs_one_by_one() else min(EVAL_BATCH, config.batch_size)
