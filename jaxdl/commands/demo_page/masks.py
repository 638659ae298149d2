"""A segmenter's answers to a picture: the areas of the classes in it, each as a layer to lay over it."""

import numpy as np
from werkzeug.wrappers import Request

from jaxdl.report import images
from jaxdl.report.class_colors import class_colors
from jaxdl.report.segmentation_page import css
from jaxdl.run.finished_run import FinishedRun
from jaxdl.run.segmentation.segmented import Segmented

WIDE = 960  # pixels, at most, of the picture on the page


class Masks:
    """``/predict`` answers with the picture, and for each class in it its share of the pixels, its colour and a layer:
    that colour where the class is, nothing elsewhere."""

    part, framing = "masks", None

    def __init__(self, run: FinishedRun):
        self._run, self._segmented, self.routes = run, Segmented(run), {"/predict": self._predicted}
        self._segmented.mask(np.zeros(run.image, np.uint8))  # compiles the size of the run's own pictures

    def _predicted(self, request: Request, picture: np.ndarray) -> dict:
        mask, classes = self._segmented.mask(picture), self._run.classes
        colors, counts = class_colors(len(classes)), np.bincount(mask.ravel(), minlength=len(classes))
        step = -(-picture.shape[1] // WIDE)  # so many pixels of the mask for one of a layer
        small = mask[::step, ::step]
        return {
            "areas": [
                {
                    "class": classes[index],
                    "share": counts[index] / mask.size,
                    "color": css(colors[index]),
                    "layer": images.png(_layer(small == index, colors[index])),
                }
                for index in np.argsort(-counts, kind="stable").tolist()
                if counts[index]
            ],
            "picture": images.photograph(picture, width=WIDE),
        }


def _layer(area: np.ndarray, color: np.ndarray) -> np.ndarray:
    """uint8[H, W, 4]: the colour in the area, transparent elsewhere."""
    layer = np.zeros((*area.shape, 4), np.uint8)
    layer[area] = (*color, 255)
    return layer
