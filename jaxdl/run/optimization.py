"""Optimizer and learning-rate schedule of optax, built from the flags."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxdl import optim
from jaxdl.errors import UserError
from jaxdl.run.config import Config

WHITENING = "Whiten"  # what the names of its layers begin with


@dataclass(frozen=True)
class LearningRate:
    """A learning rate as a function of the update count, and the counts that it was made for."""

    rate: optax.Schedule
    steps: int
    steps_per_epoch: int

    def __call__(self, count: jax.typing.ArrayLike) -> jax.typing.ArrayLike:
        return self.rate(count)


def steps_of(config: Config, steps_per_epoch: int) -> int:
    """The updates of all epochs, of which the last may be a part; the schedule's length."""
    return math.ceil(config.epochs * steps_per_epoch - 1e-6)  # which no rounding shall make one more


def schedule_of(config: Config, steps_per_epoch: int) -> LearningRate:
    """The learning rate as a function of the update count; what the flags count in epochs is counted in updates.

    ``one_cycle`` has no warm-up before it: it rises over the warm-up's epochs, or over 0.3 of all where there are none.
    """
    warmup_epochs = 0.0 if config.schedule == "one_cycle" else config.warmup_epochs
    options = {
        "one_cycle": {"pct_start": min(config.warmup_epochs / config.epochs, 1.0) or 0.3},
        "exponential": {"gamma": config.gamma ** (1 / steps_per_epoch)},
        "linear": {"end": config.lr_end},
        "step": {"gamma": config.gamma, "step_size": max(1, round(config.decay_epochs * steps_per_epoch))},
    }
    steps = steps_of(config, steps_per_epoch)
    rate = optim.schedule(
        config.schedule,
        learning_rate=config.lr,
        steps=steps,
        warmup_steps=round(warmup_epochs * steps_per_epoch),
        warmup_start=config.warmup_start,
        **options.get(config.schedule, {}),
    )
    return LearningRate(rate, steps, steps_per_epoch)


def optimizer_of(
    config: Config, learning_rate: optax.Schedule, *, blocks: Sequence[Sequence[str]] = ()
) -> optax.GradientTransformation:
    """The optimizer, averaging the parameters too if ``--lookahead`` or ``--ema`` asks for it.

    learning_rate: from ``schedule_of`` where the flags count something else in epochs too. blocks: of the network, for
    ``--layer-decay``. Raises UserError for flags that do not go together.
    """
    if config.optimizer == "muon" or config.bias_lr_factor != 1 or config.whiten_bias_epochs is not None:
        optimizer = _by_groups(config, learning_rate)
    else:
        optimizer = _optimizer(config, config.optimizer, learning_rate)
    if config.layer_decay is not None:
        if config.optimizer == "lbfgs":
            raise UserError("--optimizer lbfgs moves all parameters together: leave out --layer-decay.")
        optimizer = optim.with_layer_decay(optimizer, config.layer_decay, blocks)
    if config.lookahead is not None:
        optimizer = optim.with_lookahead(optimizer, config.lookahead, steps=learning_rate.steps)
    return optimizer if config.ema is None else optim.with_ema(optimizer, config.ema)


def _optimizer(
    config: Config,
    name: str,
    learning_rate: optax.Schedule,
    *,
    momentum: float | None = None,
    clip: bool = True,
    gradient_factor: float = 1.0,
) -> optax.GradientTransformation:
    """gradient_factor: of what the gradient moves, not of what decay does."""
    momentum = config.momentum if momentum is None else momentum
    betas, eps = {"betas": (config.beta1, config.beta2)}, {} if config.eps is None else {"eps": config.eps}
    options = {
        **dict.fromkeys(("adam", "adamw", "nadam"), betas | eps),
        **dict.fromkeys(("adagrad", "adadelta"), eps),
        "rmsprop": {"momentum": momentum} | eps,
        "sgd": {"momentum": momentum, "nesterov": config.nesterov and momentum > 0},
    }
    rate = learning_rate if gradient_factor == 1 else lambda count: gradient_factor * learning_rate(count)
    return optim.create(
        name,
        learning_rate=rate,
        clip_norm=config.clip_norm if clip else None,
        clip_value=config.clip_value if clip else None,
        l2=config.l2 / gradient_factor,
        weight_decay=config.weight_decay / gradient_factor,
        mask=None if config.decay_biases else optim.decay_mask,
        **options.get(name, {}),
    )


def _by_groups(config: Config, learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """Norms' biases, the whitening's bias, with Muon the kernels of convolutions, and the rest, each its own way."""
    muon = config.optimizer == "muon"
    if config.optimizer == "lbfgs":
        raise UserError(
            "--optimizer lbfgs moves all parameters together: leave out --bias-lr-factor and --whiten-bias-epochs."
        )
    factor, name, momentum, rate = config.bias_lr_factor, config.optimizer, config.momentum, learning_rate
    if muon:
        name, momentum = "sgd", config.rest_momentum
        rate = lambda count: config.rest_lr / config.lr * learning_rate(count)  # noqa: E731
    group = partial(_optimizer, config, name, momentum=momentum, clip=False)
    groups = {"rest": group(rate), "biases": group(rate, gradient_factor=factor), "whitening": group(rate)}
    if config.whiten_bias_epochs is not None:
        ends = steps_of_whitening(config, learning_rate)
        # The published programs differ here, as they are followed: with Muon this bias has the rate of the others, and
        # the rate falls to 0 where its training ends; else it has the rate of the kernels until there.
        if muon:
            falling = lambda count: config.rest_lr * jnp.maximum(1 - count / ends, 0)  # noqa: E731
            groups["whitening"] = group(falling, gradient_factor=factor)
        else:
            groups["whitening"] = group(lambda count: jnp.where(count < ends, rate(count), 0))
    if muon:
        groups["kernels"] = optim.muon(learning_rate, momentum=config.momentum, nesterov=config.nesterov)
    parts = [
        optax.clip(config.clip_value) if config.clip_value else None,
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else None,
        optax.partition(groups, _labels(muon)),
    ]
    return optax.chain(*[part for part in parts if part is not None])


def steps_of_whitening(config: Config, learning_rate: LearningRate) -> int:
    """The updates in which the bias of a whitening layer is trained."""
    return max(1, math.ceil(config.whiten_bias_epochs * learning_rate.steps_per_epoch - 1e-6))


def _labels(muon: bool) -> Callable[[optax.Params], optax.Params]:
    """The group of each parameter."""

    def label(path: tuple, lone: bool, leaf: jax.Array) -> str:
        if any(str(getattr(part, "key", part)).startswith(WHITENING) for part in path):
            return "whitening"
        if lone:
            return "biases"
        return "kernels" if muon and leaf.ndim > 2 else "rest"

    return lambda params: jax.tree.map_with_path(label, optim.lone_biases(params), params)
