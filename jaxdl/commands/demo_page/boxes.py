"""A detector's answers to a picture: the objects in it, each with its box and what of it is mask."""

import numpy as np
from werkzeug.wrappers import Request

from jaxdl.report import images
from jaxdl.report.box_overlay import css, layer_of
from jaxdl.report.boxes_drawn import ink_on
from jaxdl.report.class_colors import class_colors
from jaxdl.run.detection.detector import ObjectFinder
from jaxdl.run.finished_run import FinishedRun

WIDE = 960  # pixels, at most, of the picture on the page
MOST = 200  # objects


class Boxes:
    """``/predict`` answers with the picture, and with each object's class, score, colour, box in shares of the sides,
    and a layer within the box: its colour where its mask is; null of a detector without masks."""

    part, framing = "boxes", None

    def __init__(self, run: FinishedRun):
        self._run, self._finder, self.routes = run, ObjectFinder(run), {"/predict": self._predicted}
        self._finder.objects(np.zeros(run.image, np.uint8))  # compiles the size of the run's own pictures

    def _predicted(self, request: Request, picture: np.ndarray) -> dict:
        found, classes = self._finder.objects(picture), self._run.classes
        colors, (height, width) = class_colors(len(classes)), picture.shape[:2]
        order = np.argsort(-found.scores, kind="stable")[:MOST].tolist()
        shares = found.boxes.astype(np.float64) / (width, height, width, height)
        return {
            "objects": [
                {
                    "class": classes[found.classes[row]],
                    "score": float(found.scores[row]),
                    "box": np.clip(shares[row], 0, 1).round(5).tolist(),
                    "color": css(colors[found.classes[row]]),
                    "ink": css(ink_on(colors[found.classes[row]])),
                    "layer": found.masks and layer_of(found.masks[row], found.boxes[row], colors[found.classes[row]]),
                }
                for row in order
            ],
            "picture": images.photograph(picture, width=WIDE),
        }
