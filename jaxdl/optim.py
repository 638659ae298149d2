"""Optimizers and learning-rate schedules, all of them optax."""

import jax
import optax

from jaxdl.errors import UserError, unknown

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "cosine", "linear")


def schedule(name: str, *, learning_rate: float, steps: int, warmup_steps: int = 0) -> optax.Schedule:
    """A learning rate as a function of the update count.

    All rise linearly from 0 over ``warmup_steps``. ``constant`` then stays at ``learning_rate``; ``cosine``
    (Loshchilov and Hutter 2017) and ``linear`` fall to 0 at ``steps``.
    """
    warmup_steps = min(warmup_steps, max(steps - 1, 0))
    if name == "constant":
        after = optax.constant_schedule(learning_rate)
    elif name == "cosine":
        after = optax.cosine_decay_schedule(learning_rate, max(steps - warmup_steps, 1))
    elif name == "linear":
        after = optax.linear_schedule(learning_rate, 0.0, max(steps - warmup_steps, 1))
    else:
        raise unknown("schedule", name, SCHEDULES)
    if not warmup_steps:
        return after
    rise = optax.linear_schedule(0.0, learning_rate, warmup_steps)
    return optax.join_schedules([rise, after], [warmup_steps])


def decay_mask(params: optax.Params) -> optax.Params:
    """True for the leaves that weight decay applies to: kernels, not biases or norm parameters.

    A leaf of one dimension or none is a bias, a scale or a slope.
    """
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def create(
    name: str,
    *,
    learning_rate: optax.ScalarOrSchedule,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
) -> optax.GradientTransformation:
    """The optimizer of that name, with clipping before it and decoupled weight decay after it.

    The update is ``-lr * (direction + weight_decay * param)``, the decay only where ``decay_mask`` says so
    (Loshchilov and Hutter 2019). ``torch.optim.SGD`` instead adds its decay to the gradient, where momentum m
    multiplies it by about 1 / (1 - m): its 5e-4 at momentum 0.9 is about 5e-3 here. ``adamw`` is
    ``torch.optim.AdamW``.

    momentum, nesterov: for ``sgd`` only; ``torch.optim.SGD``'s meaning, no dampening.
    clip_norm: gradients whose global L2 norm exceeds it are scaled down to it; None leaves them.
    """
    if clip_norm is not None and not clip_norm > 0:
        raise UserError(f"clip_norm must be greater than 0, got {clip_norm}; None means no clipping.")
    if name == "sgd":
        direction = optax.trace(momentum, nesterov) if momentum else optax.identity()
    elif name == "adamw":
        direction = optax.scale_by_adam()
    else:
        raise unknown("optimizer", name, OPTIMIZERS)
    parts = [
        optax.clip_by_global_norm(clip_norm) if clip_norm else None,
        direction,
        optax.add_decayed_weights(weight_decay, decay_mask) if weight_decay else None,
        optax.scale_by_learning_rate(learning_rate),
    ]
    return optax.chain(*[part for part in parts if part is not None])
