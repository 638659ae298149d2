"""L-BFGS: a quasi-Newton method for losses over all data at once."""

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxdl.errors import UserError
from jaxdl.optim.arguments import check_count, check_number
from jaxdl.optim.line_search import Point, strong_wolfe

CURVED = 1e-10  # the least product of step and change of gradient that is worth remembering


class LBFGSState(NamedTuple):
    """State of L-BFGS for n parameters and a history of h steps.

    updates, iterations: int32[], made so far.
    direction, gradient: float[n], of the last iteration; step_size: float[].
    steps, changes: float[h, n], ring buffers of the steps s and the gradient's changes y; inverses: float[h],
    1 / (y . s); remembered: int32[], how many were ever put into the buffers.
    scale: float[], of the initial inverse Hessian.
    """

    updates: jax.Array
    iterations: jax.Array
    direction: jax.Array
    step_size: jax.Array
    gradient: jax.Array
    steps: jax.Array
    changes: jax.Array
    inverses: jax.Array
    remembered: jax.Array
    scale: jax.Array


class _Progress(NamedTuple):
    """Within one update: the parameters float[n], the loss and its gradient there, and what was spent."""

    params: jax.Array
    value: jax.Array
    gradient: jax.Array
    memory: LBFGSState
    iterations: jax.Array
    evaluations: jax.Array
    done: jax.Array


def lbfgs(
    learning_rate: optax.ScalarOrSchedule = 1.0,
    *,
    max_iter: int = 20,
    max_eval: int | None = None,
    tolerance_grad: float = 1e-7,
    tolerance_change: float = 1e-9,
    history_size: int = 100,
    line_search: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    """``torch.optim.LBFGS`` (Liu and Nocedal 1989): one update is one ``optimizer.step(closure)``.

    ``update(gradient, opt_state, params, value_fn=...)`` runs up to ``max_iter`` iterations and evaluates the loss and
    its gradient up to ``max_eval`` times. The state holds 2 * history_size + 2 copies of the parameters.

    value_fn: params -> float[], the loss over all data; the same function every time, without randomness.
    value, grad: the loss and its gradient at ``params``, where known; else ``value_fn(params)`` and the first argument.

    learning_rate: the first step tried in each iteration; a schedule counts updates, not iterations.
    max_iter, max_eval: iterations and evaluations of the loss in one update; max_eval is max_iter * 5 // 4 if None.
    tolerance_grad: the update ends once no component of the gradient is larger in magnitude.
    tolerance_change: or once the loss, or every parameter, changes less, or the slope along the line is less.
    line_search: None takes steps of ``learning_rate``; "strong_wolfe" searches.

    Raises UserError for values out of range and, from update, without ``value_fn`` or ``params``.
    """
    if isinstance(learning_rate, Real):
        check_number("learning_rate", learning_rate, min=0)
    check_count("max_iter", max_iter)
    max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
    check_count("max_eval", max_eval)
    check_number("tolerance_grad", tolerance_grad, min=0)
    check_number("tolerance_change", tolerance_change, min=0)
    check_count("history_size", history_size)
    if line_search not in (None, "strong_wolfe"):
        raise UserError(f'line_search must be None or "strong_wolfe", got {line_search!r}.')

    def init(params: optax.Params) -> LBFGSState:
        flat = ravel_pytree(params)[0]

        def zeros(*shape: int) -> jax.Array:
            return jnp.zeros(shape, flat.dtype)

        return LBFGSState(
            updates=jnp.zeros((), jnp.int32),
            iterations=jnp.zeros((), jnp.int32),
            direction=zeros(flat.size),
            step_size=zeros(),
            gradient=zeros(flat.size),
            steps=zeros(history_size, flat.size),
            changes=zeros(history_size, flat.size),
            inverses=zeros(history_size),
            remembered=jnp.zeros((), jnp.int32),
            scale=jnp.ones((), flat.dtype),
        )

    def update(
        updates: optax.Updates,
        state: LBFGSState,
        params: optax.Params | None = None,
        *,
        value: jax.Array | None = None,
        grad: optax.Updates | None = None,
        value_fn: Callable[[optax.Params], jax.Array] | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, LBFGSState]:
        del extra_args
        if value_fn is None or params is None:
            raise UserError(
                "lbfgs evaluates the loss several times in one update: call "
                "update(gradients, opt_state, params, value_fn=...), where value_fn maps parameters to the loss."
            )
        flat, unravel = ravel_pytree(params)

        def evaluate(at: jax.Array) -> tuple[jax.Array, jax.Array]:
            found, gradient = jax.value_and_grad(lambda at: value_fn(unravel(at)))(at)
            return found.astype(flat.dtype), gradient

        gradient = ravel_pytree(updates if grad is None else grad)[0]
        value = jnp.asarray(value_fn(params) if value is None else value, flat.dtype)
        rate = jnp.asarray(learning_rate(state.updates) if callable(learning_rate) else learning_rate, flat.dtype)

        def search(progress: _Progress) -> _Progress:
            """Along the direction to a point that satisfies the Wolfe conditions."""
            memory = progress.memory

            def along(step: jax.Array) -> Point:
                found, gradient = evaluate(progress.params + step * memory.direction)
                return Point(step, found, jnp.vdot(gradient, memory.direction), gradient)

            slope = jnp.vdot(progress.gradient, memory.direction)
            start = Point(jnp.zeros_like(slope), progress.value, slope, progress.gradient)
            end, spent = strong_wolfe(
                along,
                start,
                memory.step_size,
                longest=jnp.abs(memory.direction).max(),
                max_trials=max_eval - progress.evaluations,
            )
            return progress._replace(
                params=progress.params + end.step * memory.direction,
                value=end.value,
                gradient=end.gradient,
                memory=memory._replace(step_size=end.step),
                evaluations=progress.evaluations + spent,
            )

        def step(progress: _Progress) -> _Progress:
            """Along the direction by the learning rate; after the last iteration the loss is not evaluated again."""
            params = progress.params + progress.memory.step_size * progress.memory.direction
            more = progress.iterations != max_iter
            value, gradient = jax.lax.cond(more, evaluate, lambda _: (progress.value, progress.gradient), params)
            return progress._replace(
                params=params, value=value, gradient=gradient, evaluations=progress.evaluations + 1
            )

        def move(progress: _Progress) -> _Progress:
            moved = (search if line_search else step)(progress)
            change = jnp.abs(moved.memory.step_size * moved.memory.direction).max()
            done = (
                (moved.iterations == max_iter)
                | (moved.evaluations >= max_eval)
                | (jnp.abs(moved.gradient).max() <= tolerance_grad)
                | (change <= tolerance_change)
                | (jnp.abs(moved.value - progress.value) < tolerance_change)
            )
            return moved._replace(done=done)

        def iterate(progress: _Progress) -> _Progress:
            gradient = progress.gradient
            memory = _remember(progress.memory, gradient)
            first = memory.iterations == 0
            memory = memory._replace(
                iterations=memory.iterations + 1,
                direction=_direction(memory, gradient),
                step_size=jnp.where(first, jnp.minimum(1.0, 1 / jnp.abs(gradient).sum()), 1.0) * rate,
                gradient=gradient,
            )
            is_flat = jnp.vdot(gradient, memory.direction) > -tolerance_change
            progress = progress._replace(memory=memory, iterations=progress.iterations + 1, done=is_flat)
            return jax.lax.cond(is_flat, lambda progress: progress, move, progress)

        count = jnp.zeros((), jnp.int32)
        optimal = jnp.abs(gradient).max() <= tolerance_grad
        progress = _Progress(flat, value, gradient, state, count, count + 1, optimal)
        progress = jax.lax.while_loop(lambda progress: ~progress.done, iterate, progress)
        memory = progress.memory._replace(updates=optax.safe_increment(state.updates))
        return unravel(progress.params - flat), memory

    return optax.GradientTransformationExtraArgs(init, update)


def _remember(memory: LBFGSState, gradient: jax.Array) -> LBFGSState:
    """With the last step and what it changed in the gradient, if the loss curves upwards along it."""
    step = memory.step_size * memory.direction
    change = gradient - memory.gradient
    product = jnp.vdot(change, step)
    curved = product > CURVED  # never at the first iteration, whose last direction is 0
    slot = memory.remembered % len(memory.inverses)

    def put(ring: jax.Array, new: jax.Array) -> jax.Array:
        return ring.at[slot].set(jnp.where(curved, new, ring[slot]))

    return memory._replace(
        steps=put(memory.steps, step),
        changes=put(memory.changes, change),
        inverses=put(memory.inverses, 1 / product),
        remembered=memory.remembered + curved,
        scale=jnp.where(curved, product / jnp.vdot(change, change), memory.scale),
    )


def _direction(memory: LBFGSState, gradient: jax.Array) -> jax.Array:
    """Minus the approximate inverse Hessian times the gradient: the two-loop recursion (Nocedal 1980)."""
    size = len(memory.inverses)
    kept = jnp.minimum(memory.remembered, size)
    steps, changes, inverses = memory.steps, memory.changes, memory.inverses

    def newest_first(i: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        direction, shares = carry
        slot = (memory.remembered - 1 - i) % size
        share = jnp.vdot(steps[slot], direction) * inverses[slot]
        return direction - share * changes[slot], shares.at[slot].set(share)

    def oldest_first(i: jax.Array, direction: jax.Array) -> jax.Array:
        slot = (memory.remembered - kept + i) % size
        share = jnp.vdot(changes[slot], direction) * inverses[slot]
        return direction + (shares[slot] - share) * steps[slot]

    direction, shares = jax.lax.fori_loop(0, kept, newest_first, (-gradient, jnp.zeros_like(inverses)))
    return jax.lax.fori_loop(0, kept, oldest_first, memory.scale * direction)
