"""One layer by itself, forward and with its gradients: compiled as the training step compiles it, and in PyTorch."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.layers.layer import Layer, equations, is_convolution
from experiments.benchmark.torch_device import TorchDevice
from jaxdl.cpu import compiler, convolution

if TYPE_CHECKING:
    import torch

Run = Callable[[int], object]  # so many calls; returns when the device has finished them
TURN_SECONDS = 0.05  # that a turn lasts at least: of a quick program, many calls
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
    return _compiled(layer, arguments, partial(convolution.tracing, plain=True))


def matrix_product() -> tuple[Run, float]:
    """A large one in float32, compiled as the step is, and the floating-point operations in it."""
    side = SIDE.get(jax.default_backend(), LARGE_SIDE)
    one = jnp.asarray(np.random.default_rng(0).standard_normal((side, side), np.float32))
    product = jax.jit(jnp.matmul, compiler_options=compiler.options())
    return _run(lambda: product(one, one)), 2.0 * side**3


class PyTorch:
    """The same convolution, and the same matrix product, eager, on the device ``on``; ``device`` is that in words."""

    def __init__(self, on: TorchDevice):
        self._on, self._torch, self._device, self.device = on, on.torch, on.device, on.words

    def convolution(self, layer: Layer, arguments: Arguments) -> Programs | None:
        """``conv2d`` with everything in ``torch.channels_last``; None for what it has no argument for."""
        torch, window = self._torch, layer.window
        if window is None or len(window.strides) != 2 or any(low != high for low, high in window.padding):
            return None
        params = arguments.variables.get("params", {})
        kernel = params.get("kernel", arguments.variables.get("batch_stats", {}).get("kernel"))
        weight = self._channels_last(kernel.transpose(3, 2, 0, 1)).requires_grad_("kernel" in params)
        bias = torch.from_numpy(params["bias"]).to(self._device).requires_grad_() if "bias" in params else None
        x = self._channels_last(arguments.x.transpose(0, 3, 1, 2)).requires_grad_(layer.by_input)
        gradient = self._channels_last(arguments.gradient.transpose(0, 3, 1, 2))
        wanted = [tensor for tensor in (x, weight, bias) if tensor is not None and tensor.requires_grad]
        padding = tuple(low for low, _ in window.padding)

        def call() -> "torch.Tensor":
            return torch.nn.functional.conv2d(x, weight, bias, window.strides, padding, window.dilation, window.groups)

        both = self._run(lambda: torch.autograd.grad(call(), wanted, gradient)) if wanted else None
        return Programs(forward=self._run(call), both=both, way="pytorch")

    def matrix_product(self, side: int) -> Run:
        """In float32, of matrices with so many rows and columns."""
        one = self._torch.randn(side, side, device=self._device)
        return self._run(lambda: one @ one)

    def _channels_last(self, values: np.ndarray) -> "torch.Tensor":
        tensor = self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
        return tensor.contiguous(memory_format=self._torch.channels_last)

    def _run(self, call) -> Run:
        def run(calls: int) -> None:
            for _ in range(calls):
                call()
            self._on.synchronize()

        return run


def best(runs: Mapping[str, Run], *, rounds: int, seconds: float = TURN_SECONDS) -> dict[str, float]:
    """Seconds of one call of each, the least of all rounds, in each of which every program has a turn.

    A first call, with compilation, and a second, which says how many calls fill a turn, come before.
    """
    calls, least = {}, dict.fromkeys(runs, math.inf)
    for name, run in runs.items():
        run(1)
        calls[name] = math.ceil(seconds / max(_taken(run, 1), 1e-9))
    for _ in range(rounds):
        for name, run in runs.items():
            least[name] = min(least[name], _taken(run, calls[name]) / calls[name])
    return least


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


def _taken(run: Run, calls: int) -> float:
    began = time.perf_counter()
    run(calls)
    return time.perf_counter() - began
