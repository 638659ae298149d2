"""The same convolution, and the same matrix product, in eager PyTorch."""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from experiments.benchmark.layers.network import Layer
from experiments.benchmark.layers.programs import Arguments, Programs
from experiments.benchmark.layers.turns import Run

if TYPE_CHECKING:
    import torch


class PyTorch:
    """``torch`` on its device: CUDA where there is such."""

    def __init__(self, torch: ModuleType):
        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.device = torch.cuda.get_device_name() if self._device.type == "cuda" else "cpu"

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
            if self._device.type == "cuda":
                self._torch.cuda.synchronize()

        return run
