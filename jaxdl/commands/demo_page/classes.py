"""A classifier's answers to a picture: the most probable classes, and the pixels that each depends on."""

from functools import partial

import jax
import numpy as np
from matplotlib import colormaps
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Request

from jaxdl.data import augment
from jaxdl.report import images
from jaxdl.report.saliency import saliency
from jaxdl.run.answers import best
from jaxdl.run.classifier import MOST_PIXELS, Classifier
from jaxdl.run.finished_run import FinishedRun

COPIES = 32  # at most, of a picture, over which its saliency is averaged


class Classes:
    """``/predict`` answers with the ``top`` most probable classes and the picture as the network reads it,
    ``/saliency?class=N`` with a map of the pixels that class N depends on."""

    part = "classes"

    def __init__(self, run: FinishedRun, *, top: int):
        self._run, self._classifier, self._top, self.framing = run, Classifier(run), top, run.framing
        self.routes = {"/predict": self._predicted, "/saliency": self._explained}
        height, width, _ = run.image
        copies = max(1, min(COPIES, MOST_PIXELS // (height * width)))
        self._saliency = jax.jit(partial(saliency, run.model, copies=copies))
        nothing = np.zeros(run.image, np.uint8)  # compiles both
        self._classifier.logits(nothing[None])
        self._map(nothing, 0)

    def _predicted(self, request: Request, picture: np.ndarray) -> dict:
        classes = self._run.classes
        [found] = best(self._classifier.logits(picture[None]), range(len(classes)), self._top)
        return {
            "predictions": [
                {"index": index, "class": classes[index], "probability": probability} for index, probability in found
            ],
            "picture": images.png(picture),
        }

    def _explained(self, request: Request, picture: np.ndarray) -> dict:
        index = request.args.get("class", type=int)
        if index is None or not 0 <= index < len(self._run.classes):
            raise BadRequest("class must be the number of a class.")
        return {"map": images.png(colormaps["inferno"](self._map(picture, index), bytes=True)[..., :3])}

    def _map(self, picture: np.ndarray, index: int) -> np.ndarray:
        run = self._run
        prepared = augment.normalize(picture[None], run.mean, run.std)
        return np.asarray(self._saliency(run.variables, prepared, np.array([index]), key=jax.random.key(0))[0])
