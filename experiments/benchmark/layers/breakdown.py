"""Where the time of a step goes: every layer measured by itself, and the whole training step beside them."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from experiments.benchmark import jax_device
from experiments.benchmark.contestant import Job, LeftOutError
from experiments.benchmark.layers import programs
from experiments.benchmark.layers.layer import CONVOLUTION, Layer, layers
from experiments.benchmark.layers.programs import Arguments, Programs, PyTorch, Run, best
from experiments.benchmark.networks import CLASSIFIERS
from experiments.benchmark.throughput import train_jaxdl, train_pytorch
from experiments.benchmark.torch_device import TorchDevice
from jaxdl.cpu import convolution, memory
from jaxdl.run.config import Config
from jaxdl.run.network import model_of

OURS, XLA, PYTORCH = "jaxdl", "xla", "pytorch"


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Of one layer. backward: what its gradients add; 0 where training takes none."""

    forward: float
    backward: float

    @property
    def total(self) -> float:
        return self.forward + self.backward


@dataclass(frozen=True, kw_only=True)
class Measured:
    """way: in which the training step computes it. xla: ours where that is XLA's own. pytorch: of convolutions."""

    layer: Layer
    way: str
    ours: Seconds
    xla: Seconds
    pytorch: Seconds | None

    def flops_per_second(self, batch_size: int) -> float | None:
        """Floating-point operations as the plain sum has them, whatever the way makes; None where that has none."""
        if not self.layer.multiply_adds:
            return None
        return 2 * self.layer.multiply_adds * self.layer.passes * batch_size / self.ours.total


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where the time of one network's training step goes.

    whole: seconds of the whole step, by ``OURS``, ``XLA`` and ``PYTORCH``. matrix_product: operations a second of a
    large one, by ``OURS`` and ``PYTORCH``. left_out: reasons by name. devices: in words, by name.
    """

    model: str
    batch_size: int
    layers: list[Measured]
    whole: dict[str, float]
    matrix_product: dict[str, float]
    devices: dict[str, str]
    left_out: dict[str, str]


def run(
    model: str, *, batch_size: int, rounds: int, on_part: Callable[[str, int], None] = lambda doing, parts: None
) -> Step:
    """All in this process, turn by turn.

    on_part: called before each part with what is measured and how many parts there are.
    """
    memory.keep_freed()  # as in training
    network = CLASSIFIERS[model]
    found = layers(model_of(Config(model=model), num_classes=network.classes), (*network.image, 3))
    task = Job(subject="train", contestant=OURS, model=model, batch_size=batch_size)
    peer, left_out = None, {}
    try:
        peer = PyTorch(TorchDevice(task))
    except LeftOutError as reason:
        left_out[PYTORCH] = str(reason)
    parts, measured = len(found) + 2, []
    for layer in found:
        on_part(layer.name, parts)
        measured.append(_measured(layer, peer, batch_size=batch_size, rounds=rounds))
    on_part("matrix product", parts)
    product = _matrix_product(peer, rounds=rounds)
    on_part("whole step", parts)
    whole = best(_whole(task, with_pytorch=peer is not None), rounds=rounds)
    devices = {OURS: jax_device.words(), **({PYTORCH: peer.device} if peer else {})}
    return Step(
        model=model,
        batch_size=batch_size,
        layers=measured,
        whole=whole,
        matrix_product=product,
        devices=devices,
        left_out=left_out,
    )


def record(step: Step) -> dict[str, Any]:
    """For the file that the benchmark writes; plain JSON. Seconds are of one layer and one step.

    A layer's share is of the sum of all, as often as they occur. ``sums`` has those of all convolutions and of all
    layers, by whom; PyTorch's only of convolutions, and only where each was measured.
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


def _measured(layer: Layer, peer: PyTorch | None, *, batch_size: int, rounds: int) -> Measured:
    arguments = Arguments.of(layer, batch_size=batch_size)
    found = {OURS: programs.fast(layer, arguments)}
    if found[OURS].way != programs.XLA:
        found[XLA] = programs.plain(layer, arguments)
    if theirs := peer and peer.convolution(layer, arguments):
        found[PYTORCH] = theirs
    seconds = _seconds(found, rounds=rounds)
    return Measured(
        layer=layer,
        way=found[OURS].way,
        ours=seconds[OURS],
        xla=seconds.get(XLA, seconds[OURS]),
        pytorch=seconds.get(PYTORCH),
    )


def _seconds(found: dict[str, Programs], *, rounds: int) -> dict[str, Seconds]:
    forward = {("forward", name): programs.forward for name, programs in found.items()}
    both = {("both", name): programs.both for name, programs in found.items() if programs.both}
    least = best({**forward, **both}, rounds=rounds)

    def seconds(name: str) -> Seconds:
        alone = least["forward", name]
        return Seconds(forward=alone, backward=max(least.get(("both", name), alone) - alone, 0.0))

    return {name: seconds(name) for name in found}


def _matrix_product(peer: PyTorch | None, *, rounds: int) -> dict[str, float]:
    ours, operations = programs.matrix_product()
    runs = {OURS: ours}
    if peer:
        runs[PYTORCH] = peer.matrix_product(round((operations / 2) ** (1 / 3)))
    return {name: operations / seconds for name, seconds in best(runs, rounds=rounds).items()}


def _whole(task: Job, *, with_pytorch: bool) -> dict[str, Run]:
    """The training step as the subject train has it: with its loop, loss, metrics and optimizer."""
    ours, plain = train_jaxdl.Training(task), train_jaxdl.Training(task)

    def with_xlas_own(steps: int) -> None:
        with convolution.tracing(plain=True):
            plain.run(steps)

    runs = {OURS: ours.run, XLA: with_xlas_own}
    if with_pytorch:
        runs[PYTORCH] = train_pytorch.ChannelsLast(task).run
    return runs


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
