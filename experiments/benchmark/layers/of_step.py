"""Where a step's time goes, for the file that the benchmark writes."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from experiments.benchmark.layers.measured import OURS, PYTORCH, XLA, Measured, Seconds, Step
from experiments.benchmark.layers.network import CONVOLUTION


def record(step: Step) -> dict[str, Any]:
    """Plain JSON. Seconds are of one layer and one step; a layer's share is of the sum of all, as often as they occur.

    ``sums`` has those of all convolutions and of all layers, by whom; PyTorch's only of convolutions, and only where
    each was measured.
    """
    whole = _sum(step.layers, lambda row: row.ours)
    convolutions = [row for row in step.layers if row.layer.kind == CONVOLUTION]
    products = sum(row.layer.times * row.layer.multiply_adds * row.layer.passes for row in convolutions)
    sums = {"convolutions": _sums(convolutions), "layers": _sums(step.layers)}
    if all(row.pytorch for row in convolutions):
        sums["convolutions"][PYTORCH] = _sum(convolutions, lambda row: row.pytorch)
    return {
        "model": step.model,
        "batch_size": step.batch_size,
        "layers": [_row(row, step, whole) for row in step.layers],
        "sums": sums,
        "convolution_flops_per_second": {
            name: 2 * products * step.batch_size / seconds for name, seconds in sums["convolutions"].items()
        },
        "step_seconds": step.whole,
        "matrix_product_flops_per_second": step.matrix_product,
        "devices": step.devices,
        "left_out": step.left_out,
    }


def _row(row: Measured, step: Step, whole: float) -> dict[str, Any]:
    layer = row.layer
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "input": list(layer.shape),
        "variables": {name: list(leaf.shape) for own in layer.variables.values() for name, leaf in dict(own).items()},
        "window": dataclasses.asdict(layer.window) if layer.window else None,
        "times": layer.times,
        "way": row.way,
        "multiply_adds": layer.multiply_adds,
        "gradient_by_input": layer.by_input,
        "forward_seconds": row.ours.forward,
        "backward_seconds": row.ours.backward,
        "flops_per_second": row.flops_per_second(step.batch_size),
        XLA: dataclasses.asdict(row.xla),
        PYTORCH: dataclasses.asdict(row.pytorch) if row.pytorch else None,
        "share": layer.times * row.ours.total / whole,
    }


def _sums(rows: Iterable[Measured]) -> dict[str, float]:
    return {OURS: _sum(rows, lambda row: row.ours), XLA: _sum(rows, lambda row: row.xla)}


def _sum(rows: Iterable[Measured], of: Callable[[Measured], Seconds]) -> float:
    return sum(row.layer.times * of(row).total for row in rows)
