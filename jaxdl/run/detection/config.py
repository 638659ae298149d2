"""Configuration of a detector's run: a classifier's, but for what is of images with one label."""

from dataclasses import dataclass

from jaxdl import models
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.flags import fixed, flag

MOST_SIDE = 4096  # pixels


@dataclass(frozen=True, kw_only=True)
class DetectionConfig(Config):
    """Everything that decides what the run computes, and where it goes."""

    recipe: str = flag("small", "named set of defaults for the flags below", group="most used")
    dataset: str = fixed("boxes")
    data_dir: str | None = flag(
        None,
        "folder with pictures and boxes, as PASCAL VOC, COCO or YOLO lay them out",
        path=True,
        resumable=True,
        unset="none: it must be given",
    )
    model: str = flag("faster_rcnn", "network architecture", choices=tuple(models.DETECTORS))
    backbone: str | None = flag(
        None,
        "a classifier whose maps the network takes; jaxdl train --help lists them",
        group="pictures with objects",
        unset="the network's own",
    )
    min_size: int | None = flag(
        None,
        "pixels to which the shorter side of each picture is brought",
        min=32,
        max=MOST_SIDE,
        unset="the network's own",
    )
    max_size: int | None = flag(
        None, "pixels that the longer side has at most", min=32, max=MOST_SIDE, unset="the network's own"
    )
    anchor_sizes: str | None = flag(
        None,
        "sides in pixels of the smallest anchors of each map of the pyramid, comma-separated, the finest first",
        value="SIDES",
        unset="the network's own",
    )
    frozen_norms: bool | None = flag(
        None, "keep the backbone's batch norms as its weights have them", unset="with --pretrained"
    )
    pretrained: str | None = flag(
        None,
        "initial weights, of the whole network or of its backbone alone: a .pth, .pt or .safetensors file, an exported "
        "folder, or torchvision (its weights for the backbone)",
        path=True,
    )
    min_scale: float = flag(1.0, "training: least factor by which a picture is rescaled at random", min=0.1, max=10)
    max_scale: float = flag(1.0, "training: largest factor by which a picture is rescaled at random", min=0.1, max=10)
    iou_crop: bool = flag(False, "training: random windows that cut off no object altogether (Liu et al. 2016)")
    colors: bool = flag(False, "training: change brightness, contrast, saturation and hue at random")
    mosaic: float = flag(0.0, "training: share of pictures that are put together of four", min=0, max=1)
    canvas: str | None = fixed(None)  # HEIGHTxWIDTH of a batch, found from the data
    loss: str = fixed("cross_entropy")
    label_smoothing: float = fixed(0.0)
    image_size: int = fixed(32)
    resize: int | None = fixed(None)
    interpolation: str | None = fixed(None)
    val_size: int | None = flag(
        None,
        "training pictures held out for validation, unless the data brings others; 0: none",
        min=0,
        unset="the data's, or a tenth of them",
    )
    stream: bool | None = flag(
        None, "decode pictures when a batch needs them", unset="if they would take over half the memory"
    )
    workers: int = fixed(0)
    resident: bool | None = fixed(False)
    stem: str | None = fixed(None, group="network")
    transform_input: bool | None = fixed(None)
    cache_features: bool = fixed(False)
    whiten_bias_epochs: float | None = fixed(None)
    alternate_flips: bool = fixed(False)
    crop_padding: int = fixed(0)
    crop_scale: float = fixed(1.0)
    cutout: int = fixed(0)
    mixup: float = fixed(0.0)
    cutmix: float = fixed(0.0)
    test_flip: bool = fixed(False)
    test_crops: bool = fixed(False)
    check: bool = fixed(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        sides_of(self.anchor_sizes)
        if self.min_scale > self.max_scale:
            raise UserError(f"--min-scale {self.min_scale:g} is more than --max-scale {self.max_scale:g}.")
        if self.min_size and self.max_size and self.min_size > self.max_size:
            raise UserError(f"--min-size {self.min_size} is more than --max-size {self.max_size}.")


def sides_of(anchor_sizes: str | None) -> tuple[int, ...] | None:
    """Of ``--anchor-sizes`` the side of each map's smallest anchors. Raises UserError for what are no sides."""
    if anchor_sizes is None:
        return None
    sides = anchor_sizes.split(",")
    if not all(side.isascii() and side.strip().isdigit() and 0 < int(side) <= MOST_SIDE for side in sides):
        raise UserError(
            f"--anchor-sizes must be whole numbers of 1 to {MOST_SIDE}, as 16,32,64; got {anchor_sizes!r:.60}."
        )
    return tuple(map(int, sides))


def canvas_of(config: DetectionConfig) -> tuple[int, int]:
    """(height, width) of a batch of a run whose data is known."""
    height, width = map(int, config.canvas.split("x"))
    return height, width
