"""Random augmentation of pictures together with their objects: ``(key, ImageList, Targets) -> (ImageList, Targets)``.

Pure functions of static shapes, which run inside ``jit``. Each picture draws from a key of its own,
``jax.random.split(key, B)``. Pictures are uint8, or float in [0, 1], and keep their dtype; what fills them up stays
below and to the right. An object of label 0 is none: it stays so, and no draw depends on it.
"""

from typing import TYPE_CHECKING

from jaxdl.lazy import exports

if TYPE_CHECKING:
    from jaxdl.detection.augment.colors import photometric_distort
    from jaxdl.detection.augment.composition import compose, sanitize
    from jaxdl.detection.augment.crops import iou_crop
    from jaxdl.detection.augment.flips import flip
    from jaxdl.detection.augment.jitter import scale_jitter
    from jaxdl.detection.augment.mosaics import mosaic

__getattr__, __dir__ = exports(
    __name__,
    {
        "colors": "photometric_distort",
        "composition": "compose sanitize",
        "crops": "iou_crop",
        "flips": "flip",
        "jitter": "scale_jitter",
        "mosaics": "mosaic",
        "placement": "",
    },
)
__all__ = ["compose", "flip", "iou_crop", "mosaic", "photometric_distort", "sanitize", "scale_jitter"]
