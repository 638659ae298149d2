"""A detector of a finished run on pictures: whole splits with their objects, and single pictures of any size."""

import dataclasses
from functools import partial

import jax
import numpy as np

from jaxdl.cpu import convolution
from jaxdl.data import pictures
from jaxdl.data.dataset import Split
from jaxdl.detection.image_list import Detected, ImageList
from jaxdl.detection.inference import normalised
from jaxdl.detection.resizing import canvas_of, seen_sizes
from jaxdl.metrics import Totals
from jaxdl.objects import Detections
from jaxdl.report.detection_predictions import DetectionPredictions
from jaxdl.run.detection.config import canvas_of as own_canvas
from jaxdl.run.detection.found import detections_of
from jaxdl.run.evaluating import batches_of, outputs_and_sums
from jaxdl.run.finished_run import FinishedRun, functions_of
from jaxdl.train import parallel

STEP = 128  # pixels, of the sides of a canvas that is not the run's own
MOST_PIXELS = 2**24  # of a picture; a larger one is made smaller before
PADDED = 64  # pixels, of the sides of a picture before it is resized: of those in between none is compiled


class ObjectFinder:
    """``finder.objects(picture)``, compiled once for each canvas, and ``finder.evaluated(split)``."""

    def __init__(self, run: FinishedRun):
        self.run, self._limits = run, {"min_size": run.model.min_size, "max_size": run.model.max_size}
        self._prepare = jax.jit(partial(normalised, mean=run.mean, std=run.std), static_argnames="canvas")
        self._network = jax.jit(self._found)

    def objects(self, picture: np.ndarray) -> Detections:
        """Objects in ``picture``, uint8[H, W, 3], in its pixels, the most certain first.

        It is seen in the size that the network is meant for, on the run's canvas where it has room there; else on one
        whose sides are multiples of ``STEP``, so that few are compiled.
        """
        own = np.array([picture.shape[:2]], np.int32)
        shrunk = min((MOST_PIXELS / own.prod()) ** 0.5, 1.0)
        size = np.maximum((own * shrunk).astype(np.int32), 1) if shrunk < 1 else own
        if shrunk < 1:
            picture = pictures.resized(picture, tuple(size[0].tolist()))
        seen = seen_sizes(own, **self._limits)
        canvas = own_canvas(self.run.config)
        if (seen[0] > canvas).any():
            canvas = canvas_of(seen, divisible=STEP)
        filled = np.zeros((1, *canvas_of(size, divisible=PADDED), 3), np.uint8)
        filled[0, : size[0, 0], : size[0, 1]] = picture
        images = self._prepare(ImageList(filled, size), seen, canvas=canvas)
        found = jax.device_get(self._network(self.run.variables, images))
        return detections_of(found, own, seen)[0]

    def evaluated(self, split: Split) -> DetectionPredictions:
        """Objects in all of ``split``, as the run tested itself; a bar if it takes a while.

        Pictures that have no room on the run's canvas are seen on a larger one.
        """
        canvas, needed = own_canvas(self.run.config), canvas_of(seen_sizes(split.sizes, **self._limits))
        height, width = np.maximum(canvas, needed).tolist()
        run = self.run._replace(config=dataclasses.replace(self.run.config, canvas=f"{height}x{width}"))
        devices, task = parallel.single(), run.task
        step = devices.compile(functions_of(run).eval_and_predict)
        with batches_of(split, devices, "evaluating", answers=True) as batches:
            found, _ = outputs_and_sums(step, run.state, batches, examples=len(split))
        found = task.on_host(found, split, run.config)
        return task.predictions(found, split.labels, run.classes, task.figures(Totals(), run.classes))

    def _found(self, variables: dict, images: ImageList) -> Detected:
        with convolution.fast():
            return self.run.model.apply(variables, images, train=False)
