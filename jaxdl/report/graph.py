"""A network as a graph of operations, by layer: what ``add_graph`` of PyTorch's ``SummaryWriter`` draws."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


@dataclass(frozen=True)
class Node:
    """name: layers and operation joined by slashes; kind: of the operation; inputs: names; shape: of the output."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


def graph(model: nn.Module, image: tuple[int, int, int]) -> list[Node]:
    """The operations that evaluate one image of shape (H, W, C), in order, after the image and the variables."""
    images = jax.ShapeDtypeStruct((1, *image), "float32")
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    program = jax.make_jaxpr(partial(model.apply, train=False))(variables, images).jaxpr
    given = [*jax.tree.leaves(_named(variables)), "image"]
    nodes = [
        Node(name, "input" if name == "image" else "variable", (), var.aval.shape)
        for name, var in zip(given, program.invars, strict=True)
    ]
    return nodes + list(_operations(program, dict(zip(program.invars, given, strict=True)), (), itertools.count()))


def _named(variables: Any) -> Any:
    """The tree with each leaf's name in its place."""
    return jax.tree_util.tree_map_with_path(lambda path, _: "/".join(str(part.key) for part in path[1:]), variables)


def _operations(
    program: Jaxpr, made_by: dict[Any, str], outside: tuple[str, ...], number: Iterator[int]
) -> Iterator[Node]:
    """The nodes of a program; those of programs in it, a jitted function's say, in their place."""
    for equation in program.eqns:
        scope = (*outside, *(part for part in str(equation.source_info.name_stack).split("/") if part))
        inside = [value for value in equation.params.values() if isinstance(value, ClosedJaxpr | Jaxpr)]
        body = getattr(inside[0], "jaxpr", inside[0]) if len(inside) == 1 else None
        if body is not None and len(body.invars) == len(equation.invars):
            for own, outer in zip(body.invars, equation.invars, strict=True):
                if not isinstance(outer, Literal) and outer in made_by:
                    made_by[own] = made_by[outer]
            yield from _operations(body, made_by, scope, number)
            for own, outer in zip(body.outvars, equation.outvars, strict=True):
                if not isinstance(own, Literal) and own in made_by:
                    made_by[outer] = made_by[own]
            continue
        kind = equation.primitive.name
        name = "/".join((*scope[1:], f"{kind}_{next(number)}"))
        inputs = [made_by[var] for var in equation.invars if not isinstance(var, Literal) and var in made_by]
        made_by |= dict.fromkeys(equation.outvars, name)
        yield Node(name, kind, tuple(inputs), equation.outvars[0].aval.shape)
