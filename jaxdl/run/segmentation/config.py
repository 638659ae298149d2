"""Configuration of a segmenter's run: a classifier's, but for what is of images with one label."""

import math
from dataclasses import dataclass

from jaxdl import losses, models
from jaxdl.errors import UserError
from jaxdl.run.config import Config
from jaxdl.run.flags import fixed, flag

UNIFORM, BALANCED = "none", "balanced"  # weights of the classes


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(Config):
    """Everything that decides what the run computes, and where it goes."""

    recipe: str = flag("small", "named set of defaults for the flags below", group="most used")
    dataset: str = fixed("masks")
    data_dir: str | None = flag(
        None,
        "folder with train/images, train/masks, test/... and classes.txt, or as PASCAL VOC's",
        path=True,
        resumable=True,
        unset="none: it must be given",
    )
    model: str = flag("lraspp", "network architecture", choices=tuple(models.SEGMENTERS))
    backbone: str | None = flag(
        None,
        "of fcn, deeplabv3 and lraspp: a classifier whose maps they take; jaxdl train --help lists them",
        group="pictures with masks",
        unset="resnet50, or mobilenet_v3_large for lraspp",
    )
    output_stride: int | None = flag(
        None,
        "of the same: pixels of a picture for a place of the last map, 4, 8, 16 or 32",
        unset="8, or 16 for lraspp",
    )
    width: int | None = flag(None, "of unet: features of the first level", min=1, max=1024, unset="32")
    pretrained: str | None = flag(
        None,
        "initial weights, of the whole network or of its backbone alone: a .pth, .pt or .safetensors file, an exported "
        "folder, or torchvision (its weights for the model, else ImageNet's for the backbone)",
        path=True,
    )
    crop_size: str | None = flag(
        None,
        "training: a random window of this size, HEIGHTxWIDTH or one number, of each rescaled picture",
        value="SIZE",
        unset="whole pictures",
    )
    min_scale: float = flag(0.5, "training: least factor by which a picture is rescaled at random", min=0.1, max=10)
    max_scale: float = flag(2.0, "training: largest factor by which a picture is rescaled at random", min=0.1, max=10)
    jitter: float = flag(
        0.0, "training: change of brightness, contrast and saturation at random, as a share of each", min=0, max=1
    )
    class_weights: str = flag(
        UNIFORM,
        "weights of the classes in the loss: none; balanced, the median of their shares of the pixels over each one's; "
        "or a number for each, comma-separated",
        value="WEIGHTS",
    )
    loss: str = flag(
        "cross_entropy",
        "loss that training minimizes, by pixel; validation and test always measure cross_entropy",
        choices=tuple(losses.OF_PIXELS),
    )
    image_size: int = fixed(32)
    resize: int | None = fixed(None)
    interpolation: str | None = fixed(None)
    val_size: int | None = flag(
        None,
        "training pictures held out for validation, unless val/ has others; 0: none",
        min=0,
        unset="val/, or a tenth of them",
    )
    stream: bool | None = flag(
        None,
        "decode pictures and masks when a batch needs them",
        unset="if they would take over half the memory",
    )
    workers: int = fixed(0)
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

    def __post_init__(self) -> None:
        super().__post_init__()
        window_of(self.crop_size)
        weights_of(self.class_weights)
        if self.min_scale > self.max_scale:
            raise UserError(f"--min-scale {self.min_scale:g} is more than --max-scale {self.max_scale:g}.")


def window_of(crop_size: str | None) -> tuple[int, int] | None:
    """(height, width) of ``--crop-size``. Raises UserError for what is no size."""
    if crop_size is None:
        return None
    sides = crop_size.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 0 < int(side) <= 4096 for side in sides):
        raise UserError(f"--crop-size must be HEIGHTxWIDTH or one number, of 1 to 4096 pixels, got {crop_size!r:.40}.")
    return int(sides[0]), int(sides[-1])


def weights_of(class_weights: str) -> list[float] | None:
    """Numbers of ``--class-weights``; None for a word. Raises UserError for what is neither."""
    if class_weights in (UNIFORM, BALANCED):
        return None
    try:
        weights = [float(each) for each in class_weights.split(",")]
    except ValueError:
        weights = []
    if not weights or not all(0 <= each < math.inf for each in weights) or not any(weights):
        raise UserError(
            f"--class-weights must be {UNIFORM}, {BALANCED} or numbers as 1,2.5,0.3, got {class_weights!r:.60}."
        )
    return weights
