"""Figures of a run's detections, as its records hold them."""

from collections.abc import Sequence

from jaxdl.data.detection.padded import PaddedObjects
from jaxdl.objects import Detections
from jaxdl.report import detection_figures


def figures_of(found: Sequence[Detections], labels: PaddedObjects, classes: Sequence[str]) -> dict[str, float]:
    """COCO's twelve figures, ``ap``, ``ap50``, ...; of masks ``mask_ap``, ...; ``voc_ap50``; ``ap/<class>`` of each.

    Those of which the pictures have nothing to measure are left out.
    """
    about = {"classes": classes, "sizes": labels.sizes.tolist()}
    return detection_figures.figures_of(labels.objects, found, **about).by_name
