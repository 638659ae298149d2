"""A finished run's network on any number of images."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxdl.data.dataset import Split
from jaxdl.run.evaluating import batches_of
from jaxdl.run.finished_run import FinishedRun, functions_of
from jaxdl.train import parallel
from jaxdl.train.loop import predict

MOST_PIXELS = 2**19  # of a batch: 512 images of 32 x 32 pixels, 10 of 224 x 224


class Classifier:
    """``classifier.logits(images)``, compiled once for each size of batch.

    views: as ``make_predict_step`` takes them; those that the run itself was tested with if None.
    """

    def __init__(self, run: FinishedRun, *, views: Sequence[Callable[[jax.Array], jax.Array]] | None = None):
        self.run, self._devices = run, parallel.single()
        self._step = self._devices.compile(functions_of(run, views=views).predict)

    def logits(self, images: np.ndarray, *, doing: str = "predicting") -> np.ndarray:
        """float32[N, classes] of ``images``: uint8[N, H, W, C] of the run's size; a bar if it takes a while."""
        split = Split(images, np.zeros(len(images), np.int32))
        size = self._batch_size(len(images))
        with batches_of(split, self._devices, doing, size=size, answers=True) as batches:
            return predict(self._step, self.run.state, batches, examples=len(images))

    def _batch_size(self, images: int) -> int:
        """A power of two, so that few sizes are ever compiled."""
        height, width, _ = self.run.image
        most = max(MOST_PIXELS // (height * width), 1)
        return min(1 << (images - 1).bit_length(), 1 << (most.bit_length() - 1))
