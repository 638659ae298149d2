"""Figures of detections: COCO's of boxes and masks, and VOC's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxdl.average_precision import AveragePrecision, evaluate
from jaxdl.objects import Detections, Objects
from jaxdl.voc_precision import VocPrecision, voc_ap

MASKS = "mask_"  # before the names of figures of masks


@dataclass(frozen=True)
class DetectionFigures:
    """boxes, masks: COCO's, of masks None where objects or detections have none; voc: at an IoU of 0.5."""

    boxes: AveragePrecision
    masks: AveragePrecision | None
    voc: VocPrecision

    @property
    def whole(self) -> dict[str, float]:
        """COCO's twelve, ``ap``, ``ap50``, ...; of masks ``mask_ap``, ...; ``voc_ap50``. NaN is left out."""
        figures = {**self.boxes.figures, "voc_ap50": self.voc.mean}
        if self.masks is not None:
            figures |= {MASKS + name: value for name, value in self.masks.figures.items()}
        return _known(figures)

    @property
    def by_name(self) -> dict[str, float]:
        """All of ``whole``, and ``ap/<class>`` and ``mask_ap/<class>`` of each class with objects."""
        figures = self.whole | {f"ap/{name}": value for name, value in self.boxes.by_class.items()}
        if self.masks is not None:
            figures |= {f"{MASKS}ap/{name}": value for name, value in self.masks.by_class.items()}
        return _known(figures)


def figures_of(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    *,
    classes: Sequence[str],
    sizes: Sequence[tuple[int, int]],
) -> DetectionFigures:
    """The figures of what was found in pictures of ``sizes``, (height, width). Raises UserError as ``evaluate``."""
    about = {"classes": classes, "sizes": sizes}
    masks = any(each.masks is not None for each in truth) and all(each.masks is not None for each in found)
    return DetectionFigures(
        boxes=evaluate(truth, found, **about),
        masks=evaluate(truth, found, **about, of="masks") if masks else None,
        voc=voc_ap(truth, found, classes=classes),
    )


def _known(figures: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if not math.isnan(value)}
