"""Layers of a network: output shape, parameters, multiply-adds and memory of each. Nothing is computed for it.

A convolution with a window of ``k_h x k_w`` over ``C`` channels in ``g`` groups that puts out ``F`` features on
``H x W`` places has ``k_h k_w (C / g) F`` weights, ``F`` biases, and makes ``H W k_h k_w (C / g) F`` multiply-adds an
image; along an axis of ``n`` places it puts out ``floor((n + 2 padding - dilation (k - 1) - 1) / stride) + 1``. A
linear layer from ``C`` to ``F`` has ``C F`` weights and makes as many multiply-adds. So a 3x3 convolution of 128
channels to 128 on 28x28 places makes 115.6 million, and a depthwise one (``g = C``) with a 1x1 after it, which sees as
much, 13.7.

Counted are the products that the traced program holds (``dot_general`` and ``conv_general_dilated``), attention's with
them; additions, norms, activations and pooling are not, as in the figures that torchvision publishes.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxdl.variables import flat, layer_of
from jaxdl.wording import counted


@dataclass(frozen=True)
class Layer:
    """name, kind: path joined by dots, and class; output: [H, W, C] or the like, of one image.

    parameters: number of trained values; multiply_adds: per image; weight_bytes: of parameters and statistics;
    output_bytes: of the output of one image, which training keeps for the backward pass.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    weight_bytes: int
    output_bytes: int


def layers(model: nn.Module, image: tuple[int, int, int]) -> list[Layer]:
    """Every layer with variables of its own, in the order of computation, for one image of shape (H, W, C).

    "" is the network itself, where it has some. Multiply-adds are those of evaluation, where auxiliary classifiers do
    not run. Raises what the model raises for such an image.
    """
    images = jax.ShapeDtypeStruct((1, *image), "float32")
    called: dict[str, tuple[str, tuple[int, ...], int]] = {}  # class, output's shape, its bytes

    def note(call, args, kwargs, context):
        name = ".".join(context.module.path)
        if context.method_name != "__call__" or name in called:
            return call(*args, **kwargs)
        called[name] = type(context.module).__name__, (), 0  # its place in the order is where it begins
        out = call(*args, **kwargs)
        for first in jax.tree.leaves(out)[:1]:
            called[name] = type(context.module).__name__, first.shape[1:], first.size * first.dtype.itemsize
        return out

    with nn.intercept_methods(note):
        variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    program = jax.make_jaxpr(partial(model.apply, train=False))(variables, images)
    leaves: dict[str, list[tuple[str, Any]]] = {name: [] for name in called}
    for path, leaf in flat(variables).items():
        leaves[layer_of(path)].append((path[0], leaf))
    owners = [name for name, own in leaves.items() if own]
    counts = dict.fromkeys(owners, 0)
    for scope, count in _products(program.jaxpr):
        holding = [name for name in _modules(scope, called) if name in counts]
        if holding:
            counts[holding[-1]] += count
    return [
        Layer(
            name=name,
            kind=called[name][0],
            output=called[name][1],
            parameters=sum(leaf.size for collection, leaf in leaves[name] if collection == "params"),
            multiply_adds=counts[name],
            weight_bytes=sum(leaf.size * leaf.dtype.itemsize for _, leaf in leaves[name]),
            output_bytes=called[name][2],
        )
        for name in owners
    ]


def grouped(layers: list[Layer], depth: int) -> list[Layer]:
    """Merges layers that share the first ``depth`` parts of their names: sums, and the output of the last."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(".".join(layer.name.split(".")[:depth]), []).append(layer)
    return [
        members[0] if len(members) == 1 else dataclasses.replace(total(members), name=name, output=members[-1].output)
        for name, members in groups.items()
    ]


def total(layers: list[Layer]) -> Layer:
    """Sums over all layers; output is the last one's."""
    sums = {
        name: sum(getattr(layer, name) for layer in layers)
        for name in ("parameters", "multiply_adds", "weight_bytes", "output_bytes")
    }
    return Layer(name="", kind=counted(len(layers), "layer"), output=layers[-1].output, **sums)


def _products(program: Jaxpr, outside: tuple[str, ...] = (), times: int = 1) -> Iterator[tuple[tuple[str, ...], int]]:
    """(scope, multiply-adds) of each product of a program and of the programs in it, a scan's as often as it runs."""
    for equation in program.eqns:
        scope = (*outside, *(part for part in str(equation.source_info.name_stack).split("/") if part))
        shapes = [variable.aval.shape for variable in equation.invars if hasattr(variable.aval, "shape")]
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(shapes[0][axis] for axis in contracted)
            yield scope, times * inner * math.prod(equation.outvars[0].aval.shape)
        elif equation.primitive.name == "conv_general_dilated":
            _, channels, *window = equation.params["dimension_numbers"].rhs_spec
            inner = math.prod(shapes[1][axis] for axis in (channels, *window))
            yield scope, times * inner * math.prod(equation.outvars[0].aval.shape)
        again = times * equation.params["length"] if equation.primitive.name == "scan" else times
        for value in jax.tree.leaves(equation.params, is_leaf=lambda value: isinstance(value, ClosedJaxpr | Jaxpr)):
            if isinstance(value, ClosedJaxpr | Jaxpr):
                yield from _products(getattr(value, "jaxpr", value), scope, again)


def _modules(scope: tuple[str, ...], called: Mapping[str, Any]) -> list[str]:
    """The modules that ``scope`` leads through, from the network inwards; its first part is the network's class.

    A part is a module's name, with ``.method`` behind it where that is not ``__call__``, or a function's.
    """
    found = [""]
    for part in scope[1:]:
        for last in (part, part.rpartition(".")[0]):
            name = f"{found[-1]}.{last}" if found[-1] else last
            if last and name in called:
                found.append(name)
                break
    return found
