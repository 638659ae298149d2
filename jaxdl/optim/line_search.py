"""A line search for the strong Wolfe conditions, as ``torch.optim.LBFGS`` has it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
SMALLEST_BRACKET = 1e-9  # in units of the parameters; LBFGS's own tolerance_change has no say in it in PyTorch either


class Point(NamedTuple):
    """The objective at one step along the line.

    step, value: float[]; slope: float[], the derivative by the step; gradient: float[n], by the parameters.
    """

    step: jax.Array
    value: jax.Array
    slope: jax.Array
    gradient: jax.Array


class _Search(NamedTuple):
    """step: the one to try next. trials: those made, less the first.

    While bracketing, ``low`` is the trial before. While zooming, ``low`` is the bracket's end of lower value and
    ``high`` the other; ``low_first`` says which of them PyTorch would list first, which settles ties. ``stalled``: the
    last trial was close to an end of the bracket.
    """

    step: jax.Array
    trials: jax.Array
    low: Point
    high: Point
    low_first: jax.Array
    zooming: jax.Array
    stalled: jax.Array
    done: jax.Array


def strong_wolfe(
    evaluate: Callable[[jax.Array], Point], start: Point, step: jax.Array, *, longest: jax.Array, max_trials: jax.Array
) -> tuple[Point, jax.Array]:
    """A point along the line that satisfies the strong Wolfe conditions, or the best one found, and the number of calls
    of ``evaluate``: at least one, and up to ``max_trials`` more.

    Brackets such a point by extrapolation and closes in on it (Nocedal and Wright 2006, algorithms 3.5 and 3.6), each
    trial being the minimum of the cubic through two points (their equation 3.59), kept off the ends of the bracket.

    evaluate: step -> Point.
    start: the point at step 0. Its slope is negative.
    step: the first to try.
    longest: float[], the largest component of the direction; it turns steps into changes of the parameters.
    """

    def rises(point: Point) -> jax.Array:
        return point.value > start.value + SUFFICIENT_DECREASE * point.step * start.slope

    def is_flat(point: Point) -> jax.Array:
        return jnp.abs(point.slope) <= -CURVATURE * start.slope

    def bracket(search: _Search, new: Point) -> _Search:
        last = search.trials >= max_trials
        # One trial later than in the book, as in PyTorch.
        over = rises(new) | ((search.trials > 1) & (new.value >= search.low.value))
        accepted = ~over & is_flat(new)
        enclosed = over | (~accepted & (new.slope >= 0))
        other = _choose(last, start, search.low)
        other_is_lower = other.value <= new.value
        extrapolated = _cubic_minimum(search.low, new, new.step + 0.01 * (new.step - search.low.step), 10 * new.step)
        settled = last | enclosed
        return search._replace(
            step=extrapolated,
            low=_choose(settled & other_is_lower, other, new),
            high=_choose(other_is_lower, new, other),
            low_first=other_is_lower,
            zooming=enclosed,
            done=last | accepted,
        )

    def zoom(search: _Search, new: Point) -> _Search:
        low, high = search.low, search.high
        worse = rises(new) | (new.value >= low.value)
        swap = worse & jnp.where(search.low_first, new.value < low.value, new.value <= low.value)
        past = ~is_flat(new) & (new.slope * (high.step - low.step) >= 0)
        return search._replace(
            low=_choose(worse & ~swap, low, new),
            high=_choose(worse & ~swap, new, _choose(swap | past, low, high)),
            low_first=search.low_first ^ swap,
            done=~worse & is_flat(new),
        )

    def narrow(search: _Search) -> _Search:
        """With the next step to try, unless the bracket is already too small."""
        low, high = search.low, search.high
        left, right = jnp.minimum(low.step, high.step), jnp.maximum(low.step, high.step)
        step = _cubic_minimum(low, high, left, right)
        margin = 0.1 * (right - left)
        close = jnp.minimum(right - step, step - left) < margin
        move = close & (search.stalled | (step >= right) | (step <= left))
        inside = jnp.where(jnp.abs(step - right) < jnp.abs(step - left), right - margin, left + margin)
        return search._replace(
            step=jnp.where(move, inside, step),
            stalled=close & ~move,
            done=search.done | ((right - left) * longest < SMALLEST_BRACKET),
        )

    def trial(search: _Search) -> _Search:
        new = evaluate(search.step)
        search = search._replace(trials=search.trials + 1)
        search = jax.lax.cond(search.zooming, zoom, bracket, search, new)
        return jax.lax.cond(search.zooming, narrow, lambda same: same, search)

    no = jnp.zeros((), bool)
    search = _Search(step, jnp.full((), -1, jnp.int32), start, start, low_first=no, zooming=no, stalled=no, done=no)
    found = jax.lax.while_loop(lambda search: ~search.done & (search.trials < max_trials), trial, search)
    return found.low, found.trials + 1


def _cubic_minimum(a: Point, b: Point, lower: jax.Array, upper: jax.Array) -> jax.Array:
    """Where the cubic with the values and slopes of ``a`` and ``b`` has its minimum, brought into [lower, upper].

    The middle of the range if it has none.
    """
    swapped = a.step > b.step
    left, right = _choose(swapped, b, a), _choose(swapped, a, b)
    mean = left.slope + right.slope - 3 * (left.value - right.value) / (left.step - right.step)
    square = mean**2 - left.slope * right.slope
    root = jnp.sqrt(jnp.maximum(square, 0))
    back = (right.slope + root - mean) / (right.slope - left.slope + 2 * root)
    minimum = right.step - (right.step - left.step) * back
    return jnp.where(square >= 0, jnp.clip(minimum, lower, upper), (lower + upper) / 2)


def _choose(condition: jax.Array, a: Point, b: Point) -> Point:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
