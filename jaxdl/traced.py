"""Results of a traced function that need no compiled program: constants, arguments handed on, and what few operations
make of a key."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core


def call(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)``, a pure function of trees of arrays: what it computes is compiled, and nothing else.

    Its constants, as an optimizer's zeros are, come as arrays of numpy's; arguments that it returns or copies come as
    they are.
    """
    tree = jax.tree.structure(jax.eval_shape(function, *args))
    jaxpr, given = jax.make_jaxpr(function)(*args), jax.tree.leaves(args)
    at_hand = constants(jaxpr) | {place: given[index] for place, index in handed_on(jaxpr).items()}
    missing = [place for place in range(tree.num_leaves) if place not in at_hand]
    if missing:
        computed = jax.jit(lambda *args: [jax.tree.leaves(function(*args))[place] for place in missing])(*args)
        at_hand |= dict(zip(missing, computed, strict=True))
    return jax.tree.unflatten(tree, [at_hand[place] for place in range(tree.num_leaves)])


def constants(jaxpr: core.ClosedJaxpr) -> dict[int, np.ndarray]:
    """The outputs, by place, that are one number throughout, or a constant that the function holds."""
    held = dict(zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True))
    makers = _makers(jaxpr)
    found = {}
    for place, output in enumerate(jaxpr.jaxpr.outvars):
        maker = makers.get(output) if isinstance(output, core.Var) else None
        if isinstance(output, core.Literal):
            found[place] = np.asarray(output.val, output.aval.dtype)
        elif output in held:
            found[place] = np.asarray(held[output])
        elif maker is not None and maker.primitive.name == "broadcast_in_dim":
            (number, *shape) = maker.invars
            if isinstance(number, core.Literal) and not shape:
                found[place] = np.full(output.aval.shape, number.val, output.aval.dtype)
    return found


def handed_on(jaxpr: core.ClosedJaxpr) -> dict[int, int]:
    """The arguments, by index, that outputs are or are copies of, by place."""
    arguments = {variable: index for index, variable in enumerate(jaxpr.jaxpr.invars)}
    makers = _makers(jaxpr)
    found = {}
    for place, output in enumerate(jaxpr.jaxpr.outvars):
        while isinstance(output, core.Var) and output in makers and makers[output].primitive.name in ("copy", "copy_p"):
            (output,) = makers[output].invars
        if isinstance(output, core.Var) and output in arguments:
            found[place] = arguments[output]
    return found


def outputs(jaxpr: core.ClosedJaxpr, places: Sequence[int], *args: Any) -> list[Any]:
    """These outputs alone, operation by operation. args: None for those of which they do not depend."""
    wanted, needed = [jaxpr.jaxpr.outvars[place] for place in places], _needed(jaxpr, places)
    used = [equation for equation in jaxpr.jaxpr.eqns if not needed.isdisjoint(equation.outvars)]
    return core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr.jaxpr.replace(eqns=used, outvars=wanted), jaxpr.consts))(*args)


def arguments_of(jaxpr: core.ClosedJaxpr, place: int) -> set[int]:
    """The arguments, by index, on which that output depends."""
    needed = _needed(jaxpr, [place])
    return {index for index, variable in enumerate(jaxpr.jaxpr.invars) if variable in needed}


def _needed(jaxpr: core.ClosedJaxpr, places: Sequence[int]) -> set[core.Var]:
    """The variables that these outputs are made of, themselves and arguments too."""
    makers, needed = _makers(jaxpr), set()
    waiting = [jaxpr.jaxpr.outvars[place] for place in places]
    while waiting:
        variable = waiting.pop()
        if isinstance(variable, core.Var) and variable not in needed:
            needed.add(variable)
            waiting.extend(makers[variable].invars if variable in makers else ())
    return needed


def _makers(jaxpr: core.ClosedJaxpr) -> dict[core.Var, core.JaxprEqn]:
    return {output: equation for equation in jaxpr.jaxpr.eqns for output in equation.outvars}
