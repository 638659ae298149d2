"""The compiled functions of all members: a training step, a validation, logits; and the states they begin with."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from experiments.augmentation import augmentation_of, mix_of, views_of
from experiments.config import Config
from experiments.network import frozen_patterns, start_from, weights_file
from experiments.sweep.data import SweepData
from experiments.sweep.grid import Grid
from experiments.sweep.numbers import Numbers, loss_of_member, optimizer_of_member
from jaxdl import losses, metrics, optim
from jaxdl.data import augment
from jaxdl.data.dataset import Dataset
from jaxdl.train.eval_step import make_eval_step, make_predict_step
from jaxdl.train.members import make_members_evaluation, make_members_step
from jaxdl.train.state import TrainState, create_state
from jaxdl.train.step import Batch, make_train_step

ACCURACY = {"accuracy": metrics.correct}
SAMPLE = 2000  # training images that a layer initialised from data sees


class MemberSteps(NamedTuple):
    """As ``jaxdl.train.members`` makes them."""

    train: Callable[..., Any]
    validate: Callable[..., Any]
    predict: Callable[..., Any]


def steps_of_members(
    config: Config, model: nn.Module, *, classes: int, steps_per_epoch: int, data: SweepData
) -> MemberSteps:
    """The functions of the run that the flags ask for; what is swept they take as ``numbers``."""
    shared = dict(zip(("mean", "std"), data.statistics or (None, None), strict=True))

    def scale(numbers: Numbers) -> dict[str, Any]:
        return {name: numbers.get(name, value) for name, value in shared.items()}

    def update(state: TrainState, numbers: Numbers, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
        step = make_train_step(
            model,
            optimizer_of_member(config, numbers, steps_per_epoch),
            loss_of_member(config, numbers),
            augment=augmentation_of(config, **scale(numbers)),
            mix=mix_of(config, num_classes=classes),
            accumulate=config.accumulate,
            skip_not_finite=config.on_nan == "skip",
            metrics=ACCURACY,
        )
        return step.__wrapped__(state, batch)

    def validate(state: TrainState, numbers: Numbers, batch: Batch) -> dict[str, Any]:
        prepare = partial(augment.normalize, **scale(numbers))
        step = make_eval_step(
            model, losses.cross_entropy, prepare=prepare, views=views_of(config), metrics=ACCURACY
        ).__wrapped__
        return step(_evaluated(state, config), batch)

    def predict(state: TrainState, numbers: Numbers, batch: Batch) -> jax.Array:
        prepare = partial(augment.normalize, **scale(numbers))
        step = make_predict_step(model, prepare=prepare, views=views_of(config)).__wrapped__
        return step(_evaluated(state, config), batch)

    return MemberSteps(make_members_step(update), make_members_evaluation(validate), make_members_evaluation(predict))


def first_states(
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
    path = weights_file(config.pretrained, config.model, offline=config.offline) if config.pretrained else None
    create: Callable[..., TrainState] | None = None
    by_seed = {}
    for seed, own in data.by_seed.items():
        sample = augment.normalize(dataset.train.images[own.train.images[:SAMPLE]], own.mean, own.std)
        key, variables = jax.random.key(seed), None
        if path:
            variables, anew = start_from(path, model, jax.random.fold_in(key, 1), sample[:1])
            if not by_seed:
                print(f"weights  {path}" + (f"; {', '.join(anew)} for other classes: starts anew" if anew else ""))
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


def _evaluated(state: TrainState, config: Config) -> TrainState:
    return state if config.ema is None else state.replace(params=optim.ema_params(state.opt_state))
