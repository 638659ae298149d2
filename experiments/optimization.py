"""What the flags say of optimization, as optax understands it."""

import optax

from experiments.config import Config
from jaxdl import optim


def schedule_of(config: Config, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate as a function of the update count; what the flags count in epochs is counted in updates.

    ``one_cycle`` has no warm-up before it: it rises over the warm-up's epochs, or over 0.3 of all where there are none.
    """
    warmup_epochs = 0.0 if config.schedule == "one_cycle" else config.warmup_epochs
    options = {
        "one_cycle": {"pct_start": min(config.warmup_epochs / config.epochs, 1.0) or 0.3},
        "exponential": {"gamma": config.gamma ** (1 / steps_per_epoch)},
        "step": {"gamma": config.gamma, "step_size": max(1, round(config.decay_epochs * steps_per_epoch))},
    }
    return optim.schedule(
        config.schedule,
        learning_rate=config.lr,
        steps=config.epochs * steps_per_epoch,
        warmup_steps=round(warmup_epochs * steps_per_epoch),
        **options.get(config.schedule, {}),
    )


def optimizer_of(config: Config, learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """The optimizer, averaging the parameters too if ``--ema`` asks for it."""
    options = {
        "rmsprop": {"momentum": config.momentum},
        "sgd": {"momentum": config.momentum, "nesterov": config.nesterov and config.momentum > 0},
    }
    optimizer = optim.create(
        config.optimizer,
        learning_rate=learning_rate,
        clip_norm=config.clip_norm,
        clip_value=config.clip_value,
        l2=config.l2,
        weight_decay=config.weight_decay,
        **options.get(config.optimizer, {}),
    )
    return optimizer if config.ema is None else optim.with_ema(optimizer, config.ema)
