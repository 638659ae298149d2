"""The update directions of ``torch.optim`` for which optax has another formula: gradient transformations."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class DampedTraceState(NamedTuple):
    """started: bool[], whether there has been an update; trace: like the parameters."""

    started: jax.Array
    trace: optax.Updates


def damped_trace(momentum: float, dampening: float) -> optax.GradientTransformation:
    """Momentum as in ``torch.optim.SGD``: ``t = momentum * t + (1 - dampening) * g``, undamped at the first update.

    ``optax.trace`` has no dampening.
    """

    def init(params: optax.Params) -> DampedTraceState:
        return DampedTraceState(jnp.zeros((), bool), optax.tree.zeros_like(params))

    def update(updates, state, params=None):
        del params
        share = jnp.where(state.started, 1 - dampening, 1.0)
        trace = jax.tree.map(lambda g, t: momentum * t + share.astype(g.dtype) * g, updates, state.trace)
        return trace, DampedTraceState(jnp.ones((), bool), trace)

    return optax.GradientTransformation(init, update)


class AmsgradState(NamedTuple):
    """count: int32[]; mu, nu: the moments; largest: the largest ``nu`` so far. Trees like the parameters."""

    count: jax.Array
    mu: optax.Updates
    nu: optax.Updates
    largest: optax.Updates


def scale_by_amsgrad(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """AMSGrad (Reddi et al. 2018) as in ``torch.optim.Adam(amsgrad=True)``.

    The second moment's maximum is taken before its bias is corrected; ``optax.scale_by_amsgrad`` takes it after, or
    corrects nothing.
    """

    def init(params: optax.Params) -> AmsgradState:
        mu, nu, largest = (optax.tree.zeros_like(params) for _ in range(3))
        return AmsgradState(jnp.zeros((), jnp.int32), mu, nu, largest)

    def update(updates, state, params=None):
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        largest = jax.tree.map(jnp.maximum, state.largest, nu)
        bias1, bias2 = one_minus_power(b1, count), one_minus_power(b2, count)

        def direction(m: jax.Array, v: jax.Array) -> jax.Array:
            return m / bias1.astype(m.dtype) / (jnp.sqrt(v / bias2.astype(v.dtype)) + eps)

        return jax.tree.map(direction, mu, largest), AmsgradState(count, mu, nu, largest)

    return optax.GradientTransformation(init, update)


class AdagradState(NamedTuple):
    """sum_of_squares: like the parameters."""

    sum_of_squares: optax.Updates


def scale_by_adagrad(initial_accumulator_value: float, eps: float) -> optax.GradientTransformation:
    """``g / (sqrt(s) + eps)``, s being the sum of squared gradients (Duchi et al. 2011), as in ``torch.optim.Adagrad``.

    ``optax.scale_by_rss`` has ``g / sqrt(s + eps)``.
    """

    def init(params: optax.Params) -> AdagradState:
        return AdagradState(optax.tree.full_like(params, initial_accumulator_value))

    def update(updates, state, params=None):
        del params
        sums = jax.tree.map(lambda g, s: s + g * g, updates, state.sum_of_squares)
        return jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, sums), AdagradState(sums)

    return optax.GradientTransformation(init, update)


class NadamState(NamedTuple):
    """count: int32[]; momentum_product: [], all momenta so far multiplied; mu, nu: like the parameters."""

    count: jax.Array
    momentum_product: jax.Array
    mu: optax.Updates
    nu: optax.Updates


def scale_by_nadam(b1: float, b2: float, eps: float, momentum_decay: float) -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat 2016) as in ``torch.optim.NAdam``.

    The momentum rises to b1: at update t, counted from 1, it is ``b1 * (1 - 0.96 ** (t * momentum_decay) / 2)``.
    ``optax.scale_by_adam(nesterov=True)`` keeps it at b1.
    """

    def init(params: optax.Params) -> NadamState:
        mu, nu = (optax.tree.zeros_like(params) for _ in range(2))
        return NadamState(jnp.zeros((), jnp.int32), jnp.ones(()), mu, nu)

    def momentum(count: jax.Array) -> jax.Array:
        return b1 * (1 - 0.5 * jnp.exp(count * (momentum_decay * math.log(0.96))))

    def update(updates, state, params=None):
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        now, following = momentum(count), momentum(count + 1)
        product = state.momentum_product * now
        of_gradient = (1 - now) / (1 - product)
        of_mean = following / (1 - product * following)
        bias2 = one_minus_power(b2, count)

        def direction(g: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            step = of_gradient.astype(g.dtype) * g + of_mean.astype(m.dtype) * m
            return step / (jnp.sqrt(v / bias2.astype(v.dtype)) + eps)

        return jax.tree.map(direction, updates, mu, nu), NadamState(count, product, mu, nu)

    return optax.GradientTransformation(init, update)


def one_minus_power(base: float, count: jax.Array) -> jax.Array:
    """``1 - base ** count`` for base in [0, 1), to the last digit: in float32, 1 - 0.999 has four correct ones."""
    return -jnp.expm1(count * (math.log(base) if base else -math.inf))
