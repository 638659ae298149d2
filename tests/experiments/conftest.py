"""A dataset of a moment, in place of any other."""

import numpy as np
import pytest

from experiments.benchmark.accuracy import learning
from jaxdl.data.dataset import Dataset


@pytest.fixture
def tiny(monkeypatch, rng):
    """A dataset of 96 and 40 random images, in place of any other."""
    stored = {
        "train_images": rng.integers(0, 256, (96, 32, 32, 3), np.uint8),
        "train_labels": rng.integers(0, 10, 96, np.int32),
        "test_images": rng.integers(0, 256, (40, 32, 32, 3), np.uint8),
        "test_labels": rng.integers(0, 10, 40, np.int32),
    }
    found = Dataset.of("tiny", stored, classes=tuple("0123456789"), source="", fingerprint="")
    monkeypatch.setattr(learning, "dataset", lambda task: found)
    return found
