"""The layers of a network, each kind with its input and settings once."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from jaxdl.nn import Whiten, max_pool
from jaxdl.nn.max_pooling import max_pool_2x2
from jaxdl.report.layers import layers as counted

CONVOLUTION, NORM, POOLING, DENSE = KINDS = ("convolution", "batch norm", "pooling", "dense")
MODULES = {nn.Conv: CONVOLUTION, Whiten: CONVOLUTION, nn.BatchNorm: NORM, nn.Dense: DENSE}
REDUCTIONS = {"reduce_sum": ("mean", jnp.mean), "reduce_max": ("max", jnp.max)}
Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Window:
    """How a convolution's kernel goes over its input, as XLA is told. padding: before and after, for each axis."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One of ``KINDS``. name: in words. shape: of one image's input. times: that the network has such a layer.

    multiply_adds: one image's, forward. by_input: whether training takes the gradient by the input, which it does not
    where nothing before is trained. variables: shapes by collection and name. window: None unless a convolution.
    call: (variables, x) -> (y, statistics that changed), as in training.
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    times: int
    multiply_adds: int
    by_input: bool
    variables: Variables
    window: Window | None
    call: Callable[[Variables, jax.Array], tuple[jax.Array, Any]]

    @property
    def passes(self) -> int:
        """How often training makes its multiply-adds: forward, by the input, by the parameters."""
        return 1 + self.by_input + bool(self.variables.get("params"))


def layers(model: nn.Module, image: tuple[int, int, int]) -> list[Layer]:
    """Those of training, by kind and then in the order of computation, for images of shape (H, W, C).

    Pooling is found where it is ``max_pool`` of 2x2 or reduces each channel of an image to its mean or maximum.
    """
    images = jax.ShapeDtypeStruct((1, *image), "float32")
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    products = {layer.name: layer.multiply_adds for layer in counted(model, image)}
    called: list[tuple[str, nn.Module, jax.ShapeDtypeStruct, Mapping[str, Any], Variables]] = []

    def note(call, args, kwargs, context):
        module, out = context.module, call(*args, **kwargs)
        if context.method_name == "__call__" and isinstance(module, tuple(MODULES)):
            own = jax.tree.map(_shape_of, dict(module.variables))
            name = ".".join(module.path)
            called.append((name, module.clone(parent=None, name=None), _shape_of(args[0]), kwargs, own))
        return out

    def forward(variables, images):
        rngs = {"dropout": jax.random.key(0)}
        return model.apply(variables, images, train=True, mutable=["batch_stats", "auxiliary"], rngs=rngs)

    with nn.intercept_methods(note):
        program = jax.make_jaxpr(forward)(variables, images)
    found: list[Layer] = []
    for name, module, x, kwargs, own in called:
        trained_before = any(layer.variables.get("params") for layer in found)
        found.append(_of_module(module, x, kwargs, own, multiply_adds=products[name], by_input=trained_before))
    found += [pool for equation in equations(program.jaxpr) if (pool := _of_pooling(equation))]
    distinct: dict[Any, Layer] = {}
    for layer in sorted(found, key=lambda layer: KINDS.index(layer.kind)):
        shapes = tuple(
            (jax.tree_util.keystr(path), leaf.shape) for path, leaf in jax.tree.leaves_with_path(layer.variables)
        )
        key = layer.name, layer.by_input, layer.window, shapes
        times = distinct[key].times + 1 if key in distinct else 1
        distinct[key] = dataclasses.replace(layer, times=times)
    return list(distinct.values())


def equations(program: Jaxpr) -> Iterator[JaxprEqn]:
    """Those of a program and of the programs in it."""
    for equation in program.eqns:
        yield equation
        for value in jax.tree.leaves(equation.params, is_leaf=lambda value: isinstance(value, ClosedJaxpr | Jaxpr)):
            if isinstance(value, ClosedJaxpr | Jaxpr):
                yield from equations(getattr(value, "jaxpr", value))


def _of_module(
    module: nn.Module,
    x: jax.ShapeDtypeStruct,
    kwargs: Mapping[str, Any],
    variables: Variables,
    *,
    multiply_adds: int,
    by_input: bool,
) -> Layer:
    def call(variables: Variables, x: jax.Array) -> tuple[jax.Array, Any]:
        return module.apply(variables, x, mutable=["batch_stats"], **kwargs)

    kind = next(kind for known, kind in MODULES.items() if isinstance(module, known))
    window, name = None, f"{kind}, {_times(x.shape[1:])}"
    if kind == CONVOLUTION:
        program = jax.make_jaxpr(call)(variables, x)
        (equation,) = (found for found in equations(program.jaxpr) if is_convolution(found))
        kernel, about = equation.invars[1].aval.shape, equation.params
        window = Window(
            strides=tuple(about["window_strides"]),
            padding=tuple(map(tuple, about["padding"])),
            dilation=tuple(about["rhs_dilation"]),
            groups=about["feature_group_count"],
        )
        steps = "" if set(window.strides) == {1} else f"/{_times(dict.fromkeys(window.strides))}"
        name = f"conv {_times(kernel[:-2])}{steps}, {_times(x.shape[1:])} to {kernel[-1]}"
    elif kind == DENSE:
        name = f"dense, {_times(x.shape[1:])} to {module.features}"
    return Layer(
        kind=kind,
        name=name,
        shape=x.shape[1:],
        times=1,
        multiply_adds=multiply_adds,
        by_input=by_input,
        variables=variables,
        window=window,
        call=call,
    )


def _of_pooling(equation: JaxprEqn) -> Layer | None:
    shape = equation.invars[0].aval.shape if equation.invars else ()
    places = tuple(range(1, len(shape) - 1))
    kind = equation.primitive.name
    if kind == "custom_vjp_call":
        if equation.params["call_jaxpr"].jaxpr.debug_info.func_name != max_pool_2x2.__name__:
            return None
        name, pool = "max pool 2x2", partial(max_pool, window=2)
    elif kind in REDUCTIONS and places and equation.params["axes"] == places:
        word, reduce = REDUCTIONS[kind]
        name, pool = f"{word} of all places", partial(reduce, axis=places)
    else:
        return None
    return Layer(
        kind=POOLING,
        name=f"{name}, {_times(shape[1:])}",
        shape=shape[1:],
        times=1,
        multiply_adds=0,
        by_input=True,
        variables={},
        window=None,
        call=lambda variables, x: (pool(x), {}),
    )


def is_convolution(equation: JaxprEqn) -> bool:
    """Whether XLA itself convolves there."""
    return equation.primitive.name == "conv_general_dilated"


def _shape_of(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _times(sizes: Any) -> str:
    return "x".join(map(str, sizes))
