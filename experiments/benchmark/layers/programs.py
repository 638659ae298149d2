"""One layer by itself, compiled as the training step compiles it: forward, and with its gradients."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.layers.network import Layer, equations, is_convolution
from experiments.benchmark.layers.turns import Run
from jaxdl.train import compiler, convolution

WINOGRAD, XLA = "winograd", "XLA's"
SIDE = {"cpu": 2048}  # of the matrices whose product is the bound
LARGE_SIDE = 8192  # on an accelerator


@dataclass(frozen=True, kw_only=True)
class Programs:
    """forward: with the statistics that change. both: that and the gradients in one program, which makes once what the
    two need; None where training takes none. way: in which a convolution is computed; of everything else, XLA's."""

    forward: Run
    both: Run | None
    way: str = XLA


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Random numbers for one layer, the same whenever they are made. gradient: by the output."""

    variables: dict[str, dict[str, np.ndarray]]
    x: np.ndarray
    gradient: np.ndarray

    @classmethod
    def of(cls, layer: Layer, *, batch_size: int) -> "Arguments":
        """Kernels so small that outputs are about as large as inputs; the rest of the variables is positive."""
        rng = np.random.default_rng(0)

        def drawn(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
            inputs = np.prod(leaf.shape[:-1])
            values = (
                rng.standard_normal(leaf.shape) / np.sqrt(inputs)
                if leaf.ndim > 1
                else rng.uniform(0.5, 1.5, leaf.shape)
            )
            return values.astype(leaf.dtype)

        variables = jax.tree.map(drawn, layer.variables)
        x = rng.standard_normal((batch_size, *layer.shape), np.float32)
        like, _ = jax.eval_shape(layer.call, variables, x)
        return cls(variables=variables, x=x, gradient=rng.standard_normal(like.shape, np.float32))


def fast(layer: Layer, arguments: Arguments) -> Programs:
    """As in ``jaxdl.train``'s steps."""
    return _compiled(layer, arguments, convolution.fast)


def plain(layer: Layer, arguments: Arguments) -> Programs:
    """With XLA's own convolutions."""
    return _compiled(layer, arguments, convolution.plain)


def matrix_product() -> tuple[Run, float]:
    """A large one in float32, compiled as the step is, and the floating-point operations in it."""
    side = SIDE.get(jax.default_backend(), LARGE_SIDE)
    one = jnp.asarray(np.random.default_rng(0).standard_normal((side, side), np.float32))
    product = jax.jit(jnp.matmul, compiler_options=compiler.options())
    return _run(lambda: product(one, one)), 2.0 * side**3


def _compiled(layer: Layer, arguments: Arguments, way: Callable[[], AbstractContextManager]) -> Programs:
    variables, x, gradient = jax.device_put((arguments.variables, arguments.x, arguments.gradient))
    params = variables.pop("params", {})

    def call(params: Any, x: jax.Array) -> tuple[jax.Array, Any]:  # a new function, which jax has not traced before
        with way():
            return layer.call({"params": params, **variables}, x)

    def differentiated(params: Any, x: jax.Array, gradient: jax.Array) -> tuple[jax.Array, Any, Any]:
        of, by = (call, (params, x)) if layer.by_input else (lambda params: call(params, x), (params,))
        y, pull, changed = jax.vjp(of, *by, has_aux=True)
        return y, pull(gradient), changed

    options = compiler.options()
    traced = jax.jit(call, compiler_options=options).trace(params, x)
    convolves = layer.window is not None and any(map(is_convolution, equations(traced.jaxpr.jaxpr)))
    forward, both = traced.lower().compile(), None
    if layer.passes > 1:
        compiled = jax.jit(differentiated, compiler_options=options).lower(params, x, gradient).compile()
        both = _run(lambda: compiled(params, x, gradient))
    return Programs(
        forward=_run(lambda: forward(params, x)),
        both=both,
        way=XLA if layer.window is None or convolves else WINOGRAD,
    )


def _run(call: Callable[[], Any]) -> Run:
    one_at_a_time = jax.default_backend() == "cpu"  # where several that were begun would share the cores

    def run(calls: int) -> None:
        for _ in range(calls):
            out = call()
            if one_at_a_time:
                jax.block_until_ready(out)
        jax.block_until_ready(out)

    return run
