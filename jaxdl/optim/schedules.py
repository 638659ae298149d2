"""Learning-rate schedules by name."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxdl.errors import UserError, unknown
from jaxdl.optim import SCHEDULES
from jaxdl.optim.arguments import check_count, check_number, check_options


def schedule(
    name: str, *, learning_rate: float, steps: int, warmup_steps: int = 0, warmup_start: float = 0.0, **options: Any
) -> optax.Schedule:
    """A learning rate as a function of the update count, which starts at 0.

    All but ``one_cycle`` warm up linearly from ``warmup_start * learning_rate`` to ``learning_rate`` over
    ``warmup_steps``, at most ``steps - 1``. The schedule counts its updates from there, as in
    ``torch.optim.lr_scheduler.SequentialLR``: a milestone of 30 after a warm-up of 5 is at update 35. ``one_cycle`` has
    its own rise and takes no warm-up.

    ``constant``: stays at ``learning_rate``.
    ``cosine``: falls to 0 at ``steps`` along half a cosine (Loshchilov and Hutter 2017); CosineAnnealingLR.
    ``linear``: falls linearly to end=0 times ``learning_rate`` at ``steps``; LinearLR from 1 to end.
    ``step``: times gamma=0.1 every step_size updates; StepLR.
    ``multistep``: times gamma=0.1 at each of the milestones; MultiStepLR.
    ``exponential``: times gamma at every update; ExponentialLR.
    ``one_cycle``: OneCycleLR without its cycle of the momentum (Smith and Topin 2018): from learning_rate /
    div_factor=25 up to ``learning_rate`` over pct_start=0.3 of ``steps``, then down to learning_rate / div_factor /
    final_div_factor=1e4 at the last update, by half cosines (anneal="cos") or in lines ("linear"). With
    three_phase=True it first comes down as it rose. After ``steps`` it stays there, where PyTorch raises.

    Raises UserError for an unknown name or option and for a value out of range.
    """
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    check_number("learning_rate", learning_rate, min=0)
    check_count("steps", steps)
    check_count("warmup_steps", warmup_steps, min=0)
    check_number("warmup_start", warmup_start, min=0, max=1)
    check_options(name, SCHEDULES[name], options)
    if name == "one_cycle" and warmup_steps:
        raise UserError(f"one_cycle rises by itself over pct_start of the steps; got warmup_steps={warmup_steps}.")
    warmup_steps = min(warmup_steps, steps - 1)
    after = SCHEDULES[name](learning_rate, steps - warmup_steps, **options)
    if not warmup_steps:
        return after
    rise = optax.linear_schedule(warmup_start * learning_rate, learning_rate, warmup_steps)
    return optax.join_schedules([rise, after], [warmup_steps])


def constant(learning_rate: float, steps: int) -> optax.Schedule:
    """The rate as it is."""
    del steps
    return optax.constant_schedule(learning_rate)


def linear(learning_rate: float, steps: int, *, end: float = 0.0) -> optax.Schedule:
    """A line down to ``end`` times the rate."""
    check_number("end", end, min=0)
    return optax.linear_schedule(learning_rate, end * learning_rate, steps)


def cosine(learning_rate: float, steps: int) -> optax.Schedule:
    """Half a cosine down to 0."""
    return optax.cosine_decay_schedule(learning_rate, steps)


def step(learning_rate: float, steps: int, *, step_size: int, gamma: float = 0.1) -> optax.Schedule:
    """A drop every ``step_size`` updates."""
    del steps
    check_count("step_size", step_size)
    # optax.exponential_decay divides as float32: with steps of 41 it would fall one update late.
    return _power(learning_rate, gamma, lambda count: count // step_size)


def multistep(learning_rate: float, steps: int, *, milestones: Sequence[int], gamma: float = 0.1) -> optax.Schedule:
    """A drop at each of ``milestones``."""
    del steps
    check_number("gamma", gamma, above=0)
    if not isinstance(milestones, Sequence):
        raise UserError(f"milestones must be update counts, such as [30, 60], got {milestones!r}.")
    for milestone in milestones:
        check_count("each of milestones", milestone)
    factors = {milestone: gamma**times for milestone, times in Counter(milestones).items()}
    return optax.piecewise_constant_schedule(learning_rate, factors)


def exponential(learning_rate: float, steps: int, *, gamma: float) -> optax.Schedule:
    """A drop at every update."""
    del steps
    return _power(learning_rate, gamma, lambda count: count)


def _power(learning_rate: float, gamma: float, exponent: Callable[[jax.Array], jax.Array]) -> optax.Schedule:
    check_number("gamma", gamma, above=0)
    # Not gamma ** n: gamma as float32, 0.999 say, is wrong by 1e-8, and its power by n times as much.
    return lambda count: learning_rate * jnp.exp(exponent(count) * math.log(gamma))


def one_cycle(
    learning_rate: float,
    steps: int,
    *,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    anneal: str = "cos",
    three_phase: bool = False,
) -> optax.Schedule:
    """One rise and one fall."""
    check_number("pct_start", pct_start, min=0, max=1)
    check_number("div_factor", div_factor, above=0)
    check_number("final_div_factor", final_div_factor, above=0)
    if anneal not in _ANNEALS:
        raise unknown("anneal", anneal, _ANNEALS)
    first = learning_rate / div_factor
    knots = [(0.0, first), (pct_start * steps - 1, learning_rate)]
    if three_phase:
        knots.append((2 * pct_start * steps - 2, first))
    knots.append((steps - 1, first / final_div_factor))
    *earlier, last = pairwise(knots)

    def rate(count: jax.Array) -> jax.Array:
        count = jnp.minimum(count, steps - 1)
        value = _between(count, *last, _ANNEALS[anneal])
        for start, end in reversed(earlier):
            value = jnp.where(count <= end[0], _between(count, start, end, _ANNEALS[anneal]), value)
        return value

    return rate


def _between(
    count: jax.Array, start: tuple[float, float], end: tuple[float, float], share: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """On the way from one (update count, rate) to the next; the latter's rate where the counts are one."""
    length = end[0] - start[0]
    if not length:
        return jnp.asarray(end[1])
    done, left = (count - start[0]) / length, (end[0] - count) / length  # 1 - done has few digits when little is left
    return start[1] * share(left) + end[1] * share(done)


def _half_cosine(x: jax.Array) -> jax.Array:
    """(1 - cos(pi x)) / 2, without that difference's loss of digits near 0."""
    return jnp.square(jnp.sin(0.5 * jnp.pi * x))


_ANNEALS: Mapping[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {"cos": _half_cosine, "linear": lambda x: x}
)
