"""A segmenter of a finished run on pictures: whole splits with their masks, and single pictures of any size."""

import numpy as np

from jaxdl.data import pictures
from jaxdl.data.dataset import Split
from jaxdl.data.framing import with_shorter
from jaxdl.data.mask_streaming import within
from jaxdl.metrics import Mean, Totals
from jaxdl.report.mask_predictions import MaskPredictions
from jaxdl.run.build import MOST_PIXELS
from jaxdl.run.evaluating import batches_of, outputs_and_sums
from jaxdl.run.finished_run import FinishedRun, functions_of
from jaxdl.train import parallel

MOST_SIZES = 16  # each of which is compiled
STEP = 32  # pixels


class Segmented:
    """``segmented.mask(picture)``, compiled once for each size, and ``segmented.evaluated(split)``."""

    def __init__(self, run: FinishedRun):
        self.run, self._devices, self._functions = run, parallel.single(), functions_of(run)
        self._predict = self._devices.compile(self._functions.predict)

    def mask(self, picture: np.ndarray) -> np.ndarray:
        """uint8[H, W], the class of each pixel of ``picture``: uint8[H, W, 3].

        It is looked at as it is, or with the shorter side that the network is meant for: filled up to a size that is
        compiled already, its mask would be another. One of more than ``MOST_PIXELS`` is looked at smaller.
        """
        own = height, width = picture.shape[:2]
        if self.run.config.resize:
            height, width = with_shorter(self.run.config.resize, height, width)
        shrunk = min((MOST_PIXELS / (height * width)) ** 0.5, 1)
        size = max(int(height * shrunk), 1), max(int(width * shrunk), 1)
        seen = picture if size == own else pictures.resized(picture, size)
        batch = self._devices.place({"images": seen[None]}, examples=1)
        mask = np.asarray(self._predict(self.run.state, batch))[0]
        return mask if size == own else pictures.resized(mask, own, "nearest")

    def evaluated(self, split: Split) -> MaskPredictions:
        """Masks of all of ``split``, and their figures; a bar if it takes a while.

        Each picture is looked at in its own size, as by ``mask``; of more than ``MOST_SIZES`` sizes, in the next that
        is a multiple of ``STEP``.
        """
        step = self._devices.compile(self._functions.eval_and_predict)
        predicted, totals = np.zeros(split.labels.shape, np.uint8), Totals()
        for size, rows in _by_size(split).items():
            part = split if len(rows) == len(split) else split.take(rows)  # which copies
            part = Split(within(part.images, size), within(part.labels, size))
            with batches_of(part, self._devices, "evaluating", answers=True) as batches:
                masks, sums = outputs_and_sums(step, self.run.state, batches, examples=len(part))
            predicted[rows, : size[0], : size[1]] = masks
            totals.add({name: Mean(*entry) for name, entry in sums.items()})
        figures = self.run.task.figures(totals, self.run.classes)
        return self.run.task.predictions(predicted, split.labels, self.run.classes, figures)


def _by_size(split: Split) -> dict[tuple[int, int], np.ndarray]:
    """Rows of the pictures that are looked at in a size."""
    whole = split.labels.shape[1:]
    if split.sizes is None:
        return {whole: np.arange(len(split))}
    sizes = split.sizes
    if len(np.unique(sizes, axis=0)) > MOST_SIZES:
        sizes = np.minimum(-(-sizes // STEP) * STEP, whole)
    found, of_row = np.unique(sizes, axis=0, return_inverse=True)
    return {tuple(size): np.flatnonzero(of_row.ravel() == index) for index, size in enumerate(found.tolist())}
