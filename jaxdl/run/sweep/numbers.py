"""Optimizer and loss whose swept hyperparameters are traced arrays."""

import dataclasses
from collections.abc import Mapping

import jax
import optax

from jaxdl import optim
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.flags import flag_name
from jaxdl.run.optimization import LearningRate, optimizer_of, schedule_of
from jaxdl.run.task import Task
from jaxdl.train.gradients import Loss

Numbers = Mapping[str, jax.typing.ArrayLike]
CLIPS = ("clip_value", "clip_norm")
OF_THE_CHAIN = (*CLIPS, "l2", "momentum", "weight_decay")


def check_sweepable(config: Config, names: frozenset[str]) -> None:
    """Raises UserError where these flags cannot be swept with this optimizer."""
    refused: tuple[str, ...] = ()
    groups = config.bias_lr_factor != 1 or config.whiten_bias_epochs is not None
    if config.optimizer == "lbfgs":
        refused, why = OF_THE_CHAIN, "--optimizer lbfgs"
    elif config.optimizer == "muon":
        refused, why = ("lr", "l2", "momentum", "weight_decay"), "--optimizer muon"
    elif groups:
        refused, why = ("l2", "momentum", "weight_decay"), "--bias-lr-factor and --whiten-bias-epochs"
    elif config.optimizer != "sgd":
        refused, why = ("momentum",), f"--optimizer {config.optimizer}"
    wrong = [flag_name(name) for name in refused if name in names]
    if wrong:
        raise UserError(f"{', '.join(wrong)} cannot be swept with {why}; give one value.")


def optimizer_of_member(config: Config, numbers: Numbers, steps_per_epoch: int) -> optax.GradientTransformation:
    """``jaxdl.run.optimization``'s optimizer, with ``numbers`` in place of the configuration's.

    Of flags that ``check_sweepable`` accepts.
    """
    learning_rate = schedule_of(config, steps_per_epoch)
    if "lr" in numbers:
        unit = schedule_of(dataclasses.replace(config, lr=1.0), steps_per_epoch)  # every schedule is a multiple of lr
        learning_rate = LearningRate(lambda count: numbers["lr"] * unit(count), unit.steps, unit.steps_per_epoch)
    traced = numbers.keys() & set(OF_THE_CHAIN)
    if not traced:
        return optimizer_of(config, learning_rate)

    # jaxdl.optim.create checks its numbers, which takes values: so its chain in its order, around what is not swept.
    value = {name: numbers.get(name, getattr(config, name)) for name in OF_THE_CHAIN}
    clips = [
        *([optax.clip(value["clip_value"])] if value["clip_value"] is not None else []),
        *([optax.clip_by_global_norm(value["clip_norm"])] if value["clip_norm"] is not None else []),
    ]
    unclipped = dataclasses.replace(config, clip_value=None, clip_norm=None)
    if traced <= set(CLIPS):
        return optax.chain(*clips, optimizer_of(unclipped, learning_rate))
    bare = dataclasses.replace(unclipped, l2=0.0, weight_decay=0.0)
    if "momentum" in numbers:
        direction = optax.trace(value["momentum"], nesterov=config.nesterov)
    else:
        direction = optimizer_of(dataclasses.replace(bare, ema=None, lookahead=None), lambda _: -1.0)
    mask = None if config.decay_biases else optim.decay_mask
    return optax.chain(
        *clips,
        optax.add_decayed_weights(value["l2"], mask),
        direction,
        optax.add_decayed_weights(value["weight_decay"], mask),
        optimizer_of(dataclasses.replace(bare, optimizer="sgd", momentum=0.0), learning_rate),
    )


def loss_of_member(task: Task, config: Config, numbers: Numbers) -> Loss:
    """The task's loss, whose label smoothing may be traced: it is linear in its targets."""
    share = numbers.get("label_smoothing")
    if share is None:
        return task.loss(config)
    sharp, half = (task.loss(dataclasses.replace(config, label_smoothing=smoothing)) for smoothing in (0.0, 0.5))

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        unsmoothed = sharp(outputs, targets)
        return unsmoothed + 2 * share * (half(outputs, targets) - unsmoothed)

    return loss
