"""Where a step's time goes, as tables to read."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmark import table
from experiments.benchmark.layers.breakdown import OURS, PYTORCH, XLA

SUMS = {"convolutions": "all convolutions", "layers": "all layers"}


def print_step(console: Console, result: Mapping[str, Any]) -> None:
    """The layers, their sums, the whole step, and what bounds it."""
    console.print()
    console.print(f"{result['model']}, batch {result['batch_size']}, f32, layer by layer", style="bold")
    console.print(_layers(result))
    console.print()
    console.print(_sums(result))
    table.print_left_out(console, result)
    table.print_devices(console, {name: {"device": device} for name, device in result["devices"].items()})
    products = result["matrix_product_flops_per_second"]
    theirs = f", PyTorch's {products[PYTORCH] / 1e9:,.0f}" if PYTORCH in products else ""
    console.print(
        f"\nA large float32 matrix product: {products[OURS] / 1e9:,.0f} GFLOP/s{theirs}. It bounds the plain sum,\n"
        "which Winograd's tiles, with fewer products than are counted here, may pass.\n"
        "ms: of one such layer by itself, in its best turn; backward, what its gradients add to that. share: of all\n"
        "layers, each as often as it occurs.\n"
        "/2: a stride. mult-adds: of one image, forward. GFLOP/s: two for each mult-add, forward and for every\n"
        "gradient. The whole step has more than its layers, and XLA joins what can share a pass over memory."
    )


def _layers(result: Mapping[str, Any]) -> Table:
    titles = (
        "times",
        "way",
        "mult-adds\nmillions",
        "forward\nms",
        "backward\nms",
        "GFLOP/s",
        "XLA's\nms",
        "PyTorch\nms",
    )
    drawn = table.blank("layer", *titles, "share")
    drawn.padding = (0, 1, 0, 0)  # ten columns in 110 places
    for row in result["layers"]:
        rate, theirs = row["flops_per_second"], row[PYTORCH]
        drawn.add_row(
            row["layer"],
            str(row["times"]),
            row["way"],
            f"{row['multiply_adds'] / 1e6:,.3g}" if row["multiply_adds"] else "",
            _ms(row["forward_seconds"]),
            _ms(row["backward_seconds"]) if row["backward_seconds"] else "",
            f"{rate / 1e9:,.3g}" if rate else "",
            _ms(row[XLA]["forward"] + row[XLA]["backward"]),
            _ms(theirs["forward"] + theirs["backward"]) if theirs else "",
            f"{row['share']:.1%}",
        )
    return drawn


def _sums(result: Mapping[str, Any]) -> Table:
    drawn = table.blank("", "ms", "XLA's ms", "PyTorch ms")
    rows = {words: result["sums"][name] for name, words in SUMS.items()}
    for words, seconds in {**rows, "whole step": result["step_seconds"]}.items():
        drawn.add_row(words, *(_ms(seconds[name]) if name in seconds else "" for name in (OURS, XLA, PYTORCH)))
    rates = result["convolution_flops_per_second"]
    rates = [f"{rates[name] / 1e9:,.0f}" if name in rates else "" for name in (OURS, XLA, PYTORCH)]
    drawn.add_row("convolutions, GFLOP/s", *rates)
    return drawn


def _ms(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
