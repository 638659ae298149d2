"""Summary of a network, layer by layer: ``python -m jaxdl summary resnet50``."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from jaxdl import models
from jaxdl.data.mask_listing import VOC_CLASSES
from jaxdl.errors import UserError
from jaxdl.run import flags, terminal
from jaxdl.run.chosen import NetworkOptions
from jaxdl.run.flags import check, flag
from jaxdl.run.status import exit_status
from jaxdl.transfer.published import PUBLISHED, SEGMENTERS
from jaxdl.wording import counted

if TYPE_CHECKING:
    from jaxdl.report.layers import Layer

COMMAND = "jaxdl summary"
ABOUT = "Print a network's layers: output shape of one image, parameters, multiply-adds, memory."
WIDTH = 110  # of the table where the output is no terminal
PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Flags: the network, the size of its images, and how much detail to print."""

    model: str | None = flag(
        None,
        "network architecture; weights may tell it",
        choices=(*models.names(), *models.SEGMENTERS),
        positional=True,
        optional=True,
    )
    num_classes: int | None = flag(
        None,
        "number of classes",
        min=1,
        unset="1000, of segmenters 21, or 10 for the stem cifar and the networks made for CIFAR-10",
    )
    image_size: int | None = flag(
        None,
        "height and width of the image in pixels",
        min=1,
        unset="that of torchvision's weights; 32 for the stem cifar and the networks made for CIFAR-10",
    )
    pretrained: str | None = flag(
        None,
        "weights that the network is to fit: a .pth, .pt or .safetensors file, an exported folder, or torchvision",
        path=True,
    )
    stem: str | None = flag(
        None, "first layers, if the network has a choice", choices=models.STEMS, unset="the network's"
    )
    backbone: str | None = flag(
        None, "with fcn, deeplabv3 or lraspp: the classifier whose maps they take", unset="the network's"
    )
    output_stride: int | None = flag(
        None, "with the same: pixels of a picture for a place of the last map, 4, 8, 16 or 32", unset="the network's"
    )
    width: int | None = flag(None, "with unet: features of the first level", min=1, max=1024, unset="the network's")
    precision: str = flag("f32", "dtype of the computation", choices=tuple(PRECISIONS))
    depth: int | None = flag(
        None, "show layers down to this many parts of their names, summing those below", min=1, unset="all"
    )

    def __post_init__(self) -> None:
        check(self)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return exit_status(lambda: _print(sys.argv[1:] if argv is None else argv), Options)


def _print(argv: list[str]) -> None:
    options, given = flags.parse(argv, Options(), COMMAND, ABOUT)
    if options.model is None and options.pretrained is None:
        raise UserError("name a network, say resnet50, or weights that tell it with --pretrained.")
    if {"pretrained", "num_classes"} <= given:
        raise UserError("--num-classes and --pretrained both say how many classes there are; give one.")
    named = {name: getattr(options, name) for name in ("backbone", "output_stride", "width", "stem") if name in given}
    if options.pretrained is not None:
        network = NetworkOptions(
            model=options.model, pretrained=options.pretrained, image_size=options.image_size, **named
        )
        network.check_there(given)
    terminal.say_loading()
    from jaxdl.report.layers import grouped, layers, total  # with which comes JAX
    from jaxdl.run.network import with_backbone
    from jaxdl.run.segmentation.network import check_fields

    if options.pretrained is not None:
        run = network.load()
        num_classes, image = len(run.classes), run.image
        model = run.model.clone(dtype=PRECISIONS[options.precision]) if "precision" in given else run.model
    else:
        num_classes = options.num_classes or _usual_classes(options)
        dtype = PRECISIONS[options.precision]
        check_fields(options.model, named.keys() - {"stem"})
        model = models.create(options.model, num_classes=num_classes, dtype=dtype, **named)
        size = options.image_size or _usual_size(options)
        image = (size, size, 3)
    found = layers(model, image)
    whole = total(found)
    shown = found if options.depth is None else grouped(found, options.depth)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("layer", "total", overflow="fold")
    table.add_column("kind")
    for title, footer in (
        ("output", ""),
        ("parameters", f"{whole.parameters:,}"),
        ("multiply-adds", f"{whole.multiply_adds:,}"),
        ("weights", _bytes(whole.weight_bytes)),
        ("outputs", _bytes(whole.output_bytes)),
    ):
        table.add_column(title, footer, justify="right", no_wrap=True)
    for layer in shown:
        table.add_row(*_cells(layer))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    name = with_backbone(options.model or run.config.model, model)
    height, width, _ = image
    console.print(f"{name}, {counted(num_classes, 'class', 'classes')}, one image of {height} x {width} pixels")
    console.print(table)
    console.print(
        f"{whole.parameters:,} parameters; {whole.multiply_adds / 1e9:.3f} billion multiply-adds an image, evaluated.\n"
        f"Training keeps about {_bytes(whole.output_bytes)} an image for the backward pass, beside "
        f"{_bytes(whole.weight_bytes)} of weights,\nas much for gradients, and for each average of the optimizer's."
    )


def _usual_size(options: Options) -> int:
    """The pixels that the network is meant for."""
    if _for_cifar(options):
        return 32
    published = PUBLISHED.get(options.model) or SEGMENTERS.get(options.model)
    return published[0].size if published else 224


def _usual_classes(options: Options) -> int:
    if options.model in models.SEGMENTERS:
        return len(VOC_CLASSES)
    return 10 if _for_cifar(options) else 1000


def _for_cifar(options: Options) -> bool:
    """Whether the network is meant for CIFAR-10."""
    return options.stem == "cifar" or options.model in ("cifar_cnn", "quick_cnn", "speed_cnn", "speed_cnn_muon")


def _cells(layer: "Layer") -> tuple[str, ...]:
    return (
        layer.name or "(itself)",
        layer.kind,
        " x ".join(map(str, layer.output)),
        f"{layer.parameters:,}",
        f"{layer.multiply_adds:,}",
        _bytes(layer.weight_bytes),
        _bytes(layer.output_bytes),
    )


def _bytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"
