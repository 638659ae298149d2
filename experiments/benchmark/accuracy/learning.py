"""Dataset and evaluation times, the same for all contestants that train to an accuracy."""

import math

import numpy as np

from experiments.benchmark.contestant import Job
from jaxdl.data import sources
from jaxdl.data.dataset import Dataset
from jaxdl.errors import UserError

CLASSES = 10  # that the networks in PyTorch tell apart


def load(name: str, data_dir: str | None, *, progress: bool = False) -> Dataset:
    """As ``sources.load``; raises UserError, too, where it has not the classes that every contestant's network has."""
    found = sources.load(name, data_dir, progress=progress)
    if len(found.classes) != CLASSES:
        raise UserError(f"the networks compared tell {CLASSES} classes apart, and this data has {len(found.classes)}.")
    return found


def dataset(task: Job) -> Dataset:
    """The data of the task, all of it in memory, so that nobody's first epoch waits for a disk."""
    found = load(task.dataset, task.data_dir)
    stored = {
        "train_images": np.array(found.train.images),
        "train_labels": np.array(found.train.labels),
        "test_images": np.array(found.test.images),
        "test_labels": np.array(found.test.labels),
    }
    about = {name: getattr(found, name) for name in ("classes", "source", "fingerprint", "mirrorable")}
    return Dataset.of(found.name, stored, **about)


def half_epochs(steps_per_epoch: int, steps: int) -> list[int]:
    """The counts of updates at which an evaluation is due: at each half and whole epoch, and after the last."""
    halves = (math.ceil(half * steps_per_epoch / 2) for half in range(1, 2 * steps // steps_per_epoch + 1))
    return sorted({*(count for count in halves if count < steps), steps})
