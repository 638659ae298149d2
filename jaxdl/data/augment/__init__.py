"""Batched image transforms, keyed where random; they run inside jit.

Images are [B, H, W, C]: float in [0, 1], or uint8 where a function says so. Each image of a batch draws its own
randomness.
"""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.data.augment.color import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, grayscale
    from jaxdl.data.augment.composition import around_normalizing, compose, pipeline, plain, random_choice
    from jaxdl.data.augment.crops import center_crop, crop, cutout, random_crop, shift
    from jaxdl.data.augment.flips import flip, flip_vertical, mirror, upside_down
    from jaxdl.data.augment.jitter import color_jitter, random_grayscale
    from jaxdl.data.augment.joint import jointly
    from jaxdl.data.augment.mix import cutmix, mixup
    from jaxdl.data.augment.normalization import normalize, standardize, to_float
    from jaxdl.data.augment.resampling import (
        random_resized_crop,
        random_scaled_crop,
        random_windows,
        resize,
        resized_crop,
    )
    from jaxdl.data.augment.rotation import random_rotation, rotate

__getattr__, __dir__ = exports(
    __name__,
    {
        "color": "adjust_brightness adjust_contrast adjust_hue adjust_saturation grayscale",
        "composition": "around_normalizing compose pipeline plain random_choice",
        "crops": "center_crop crop cutout random_crop shift",
        "flips": "flip flip_vertical mirror upside_down",
        "jitter": "color_jitter random_grayscale",
        "joint": "jointly",
        "mix": "cutmix mixup",
        "normalization": "normalize standardize to_float",
        "resampling": "random_resized_crop random_scaled_crop random_windows resize resized_crop",
        "rotation": "random_rotation rotate",
    },
)
__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "around_normalizing",
    "center_crop",
    "color_jitter",
    "compose",
    "crop",
    "cutmix",
    "cutout",
    "flip",
    "flip_vertical",
    "grayscale",
    "jointly",
    "mirror",
    "mixup",
    "normalize",
    "pipeline",
    "plain",
    "random_choice",
    "random_crop",
    "random_grayscale",
    "random_resized_crop",
    "random_rotation",
    "random_scaled_crop",
    "random_windows",
    "resize",
    "resized_crop",
    "rotate",
    "shift",
    "standardize",
    "to_float",
    "upside_down",
]
