"""Initial variables of a network: the same as ``model.init``'s, with one small program in place of a large one."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jax.extend import core

from jaxdl import draws, traced


class Plan(NamedTuple):
    """How the leaves of a model's variables come about, by their place.

    tree: of the variables. jaxpr: (key, images) -> leaves, and then the key of each draw. drawn: what draws a leaf, and
    the place of its key. The others are constants in ``jaxpr``, or computed.
    """

    tree: Any
    jaxpr: core.ClosedJaxpr
    drawn: dict[int, tuple[draws.Draw, int]]


def initial_variables(model: nn.Module, key: jax.Array, images: jax.Array) -> Any:
    """``model.init(key, images, train=False)``; leaves are arrays of numpy's, but those that are computed.

    Draws of ``jaxdl.draws`` and constants need no program of their own; the rest, initialisers of other libraries and
    what is found from the images, is compiled together. Inside a traced function it is ``model.init``, compiled.
    """
    if isinstance(key, jax.core.Tracer) or isinstance(images, jax.core.Tracer) or not draws.known(key):
        return jax.jit(partial(model.init, train=False))(key, images)
    plan = _plan_of(model, jax.ShapeDtypeStruct(images.shape, images.dtype))
    leaves = traced.constants(plan.jaxpr) | _drawn(plan, key)
    missing = [place for place in range(plan.tree.num_leaves) if place not in leaves]
    if missing:
        computed = jax.jit(partial(_some_leaves, model, missing))(key, images)
        leaves |= dict(zip(missing, computed, strict=True))
    return jax.tree.unflatten(plan.tree, [leaves[place] for place in range(plan.tree.num_leaves)])


def shapes(model: nn.Module, images: jax.ShapeDtypeStruct) -> Any:
    """The shapes and dtypes of the variables, a tree of ``jax.ShapeDtypeStruct``."""
    plan = _plan_of(model, images)
    leaves = plan.jaxpr.out_avals[: plan.tree.num_leaves]
    return jax.tree.unflatten(plan.tree, [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves])


def _drawn(plan: Plan, key: jax.Array) -> dict[int, Any]:
    """The drawn leaves by place."""
    leaves = {}
    with jax.ensure_compile_time_eval():
        for distribution in draws.SAMPLERS:
            drawn = {place: found for place, found in plan.drawn.items() if found[0].distribution == distribution}
            if not drawn:
                continue
            keys = traced.outputs(plan.jaxpr, [place for _, place in drawn.values()], key, None)
            shapes = [plan.jaxpr.out_avals[place].shape for place in drawn]
            numbers = draws.draw(distribution, keys, shapes)
            for (place, (draw, _)), values in zip(drawn.items(), numbers, strict=True):
                leaves[place] = draw.made_of(values)
    return leaves


def _plan_of(model: nn.Module, images: jax.ShapeDtypeStruct) -> Plan:
    try:
        return _kept_plan(model, images.shape, images.dtype)
    except TypeError:  # of a model with a field that has no hash
        return _plan(model, images.shape, images.dtype)


def _plan(model: nn.Module, shape: tuple[int, ...], dtype: Any) -> Plan:
    trees, drawn = [], {}

    def init(key: jax.Array, images: jax.Array) -> list[jax.Array]:
        with draws.noting() as notes:
            variables = model.init(key, images, train=False)
        leaves, tree = jax.tree.flatten(variables)
        trees.append(tree)
        for index, note in enumerate(notes):
            drawn.update(
                {p: (note.draw, len(leaves) + index) for p, leaf in enumerate(leaves) if leaf is note.stand_in}
            )
        return [*leaves, *(jax.random.key_data(note.key) for note in notes)]

    jaxpr = jax.make_jaxpr(init)(jax.random.key(0), jax.ShapeDtypeStruct(shape, dtype))
    return Plan(trees[-1], jaxpr, drawn)


_kept_plan = lru_cache(maxsize=16)(_plan)


def _some_leaves(model: nn.Module, places: list[int], key: jax.Array, images: jax.Array) -> list[jax.Array]:
    leaves = jax.tree.leaves(model.init(key, images, train=False))
    return [leaves[place] for place in places]
