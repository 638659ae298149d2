"""Charts of how sure a detector is: precision by recall of each class, and both by the threshold of confidence."""

from collections.abc import Mapping, Sequence

import numpy as np

from jaxdl.average_precision import RECALLS
from jaxdl.report import svg
from jaxdl.report.detection_errors import ThresholdCurves
from jaxdl.report.figures import Chart, Line, line_chart

percent = "{:.1%}".format


def precision_by_recall(curves: Mapping[str, np.ndarray], objects: Mapping[str, int]) -> Chart | None:
    """COCO's curves at an IoU of 0.5, a line a class; of more classes than colours, of those with the most objects.

    curves: float64[101] of each class; objects: how many of each.
    """
    shown = sorted(sorted(curves, key=lambda name: -objects[name])[: svg.SERIES], key=list(curves).index)
    lines = [
        Line(name=name, points=list(zip(RECALLS * 100, curves[name].tolist(), strict=True)), style=style)
        for style, name in enumerate(shown)
    ]
    left_out = f"The {len(shown)} classes with the most objects, of {len(curves)}." if len(shown) < len(curves) else ""
    return line_chart(
        "Precision of each class", lines, number=percent, percent=True, across="recall in percent", note=left_out
    )


def by_confidence(curves: ThresholdCurves) -> Chart | None:
    """Recall, precision and F1 of all classes together by the least confidence of what counts as found."""
    together = curves.together
    lines = [("recall", together.recall), ("precision", together.precision), ("F1", together.f1)]
    return line_chart(
        "Recall, precision and F1",
        [
            Line(name=name, points=_points(together.thresholds, values[0]), style=style)
            for style, (name, values) in enumerate(lines)
        ],
        number=percent,
        percent=True,
        across="least confidence in percent",
    )


def _points(thresholds: np.ndarray, values: np.ndarray) -> Sequence[tuple[float, float]]:
    """Those that are known, in percent across."""
    return [(float(x * 100), float(y)) for x, y in zip(thresholds, values, strict=True) if not np.isnan(y)]
